# What stands for or against CUDA on this machine. tools/setup reads it: it runs before there is a `salf doctor`.
# Sourced; needs say (tools/setup). ROOT is the folder that holds proc, sys and dev.
readonly least_driver=580 # for CUDA 13; src/tensor/cuda_driver.cpp has the table

# driver_version ROOT: of the loaded kernel module, or of Windows' driver under its subsystem for Linux; nothing: none
driver_version() {
  local line=
  if [[ -r $1/proc/driver/nvidia/version ]]; then
    read -r line <"$1/proc/driver/nvidia/version" || true
  elif [[ -e $1/dev/dxg && -x $1/usr/lib/wsl/lib/nvidia-smi ]]; then
    line=$("$1/usr/lib/wsl/lib/nvidia-smi" --query-gpu=driver_version --format=csv,noheader 2>/dev/null | head -n 1) || true
  fi
  [[ " $line " =~ [[:space:]]([0-9]+(\.[0-9]+)+)[[:space:]] ]] && printf '%s\n' "${BASH_REMATCH[1]}"
  return 0
}

# shows_gpu ROOT: whether NVIDIA has a display controller or an accelerator on the PCI bus
shows_gpu() {
  local device
  for device in "$1"/sys/bus/pci/devices/*; do
    [[ -r $device/vendor && $(<"$device/vendor") == 0x10de && $(<"$device/class") == 0x03* ]] && return 0
  done
  return 1
}

# wants_cuda ASKED ROOT: whether LibTorch's CUDA part is to be fetched, and says why or why not. ASKED: yes (--cuda),
# no (--cpu) or "" (where a driver can use it).
wants_cuda() {
  local version
  [[ $1 != no ]] || return 1
  version=$(driver_version "$2")
  if [[ -z $version ]]; then
    if shows_gpu "$2"; then
      say "note: an NVIDIA GPU is there, but its driver is not loaded. salf uses the CPU until NVIDIA's driver ($least_driver or later) is installed and loaded"
    elif [[ $1 == yes ]]; then
      say "note: this machine shows no NVIDIA driver. The CUDA part works where there is one, $least_driver or later"
    fi
    [[ $1 == yes ]]
  elif ((10#${version%%.*} < least_driver)); then
    say "note: NVIDIA's driver $version is too old: this LibTorch is built for CUDA 13, which needs $least_driver or later. salf uses the CPU until the driver is updated"
    [[ $1 == yes ]]
  else
    say "NVIDIA's driver is $version, which CUDA 13 can use (--cpu: without a GPU)"
  fi
}
