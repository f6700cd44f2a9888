#include "local_server.h"

#include <httplib.h>

#include <exception>
#include <thread>
#include <utility>

#include "core/error.h"

namespace salf::tools {
namespace {

const char* const kHost = "127.0.0.1";

bool names_this_machine(const httplib::Request& request) {
  std::string host = request.get_header_value("Host");
  host = host.substr(0, host.rfind(':'));
  return host == kHost || host == "localhost";
}

}  // namespace

struct LocalServer::Server {
  httplib::Server http;
  std::thread thread;
};

LocalServer::LocalServer() : server_(std::make_unique<Server>()) {
  server_->http.new_task_queue = [] { return new httplib::ThreadPool(2); };
  server_->http.set_keep_alive_timeout(1);
  server_->http.set_pre_routing_handler(
      [](const httplib::Request& request, httplib::Response& response) {
        if (names_this_machine(request)) return httplib::Server::HandlerResponse::Unhandled;
        response.status = 403;
        response.set_content("only requests to 127.0.0.1 are answered\n", "text/plain");
        return httplib::Server::HandlerResponse::Handled;
      });
}

LocalServer::~LocalServer() {
  server_->http.stop();
  if (server_->thread.joinable()) server_->thread.join();
}

void LocalServer::page(const std::string& path, const std::string& media_type, Content content) {
  server_->http.Get(path, [media_type, content = std::move(content)](
                              const httplib::Request&, httplib::Response& response) {
    response.set_header("Cache-Control", "no-store");
    try {
      response.set_content(content(), media_type);
    } catch (const std::exception& error) {
      response.status = 503;
      response.set_content(std::string(error.what()) + "\n", "text/plain; charset=utf-8");
    }
  });
}

int LocalServer::start(std::int64_t port) {
  int bound = static_cast<int>(port);
  const bool ready = port == 0 ? (bound = server_->http.bind_to_any_port(kHost)) > 0
                               : server_->http.bind_to_port(kHost, bound);
  if (!ready) {
    throw Error(ErrorKind::kIo, "port " + std::to_string(port) +
                                    " of 127.0.0.1 cannot be opened (is it in use?); give another "
                                    "port, or 0 for a free one");
  }
  server_->thread = std::thread([this] { server_->http.listen_after_bind(); });
  return bound;
}

}  // namespace salf::tools
