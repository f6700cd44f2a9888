// Serves a few pages to a person on this machine: the report of a run that goes on, or its metrics.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace salf::tools {

// Serves 127.0.0.1 on its own threads until it is destroyed. Only requests with the host 127.0.0.1
// or localhost are answered, so that a web page of another host cannot read along.
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
