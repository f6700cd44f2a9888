// A few pages on 127.0.0.1, for one person on this machine: a run's report while it goes on, and
// its metrics.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace salf::tools {

// Serves until it is destroyed, on threads of its own. Only requests that name this machine (Host
// 127.0.0.1 or localhost) are answered, so that no web page elsewhere can read along through a name
// of its own.
class LocalServer {
 public:
  using Content = std::function<std::string()>;  // called for each request, on the server's thread

  LocalServer();
  ~LocalServer();
  LocalServer(const LocalServer&) = delete;
  LocalServer& operator=(const LocalServer&) = delete;

  // REQUIRES: before start()
  void page(const std::string& path, const std::string& media_type, Content content);
  // port 0: a free one. Returns the port. Throws Error(kIo) where the port is taken.
  int start(std::int64_t port);

 private:
  struct Server;
  std::unique_ptr<Server> server_;
};

}  // namespace salf::tools
