// The listener from outside: binds, runs the loop on its thread, stops it.
#include "agent/serve/http_server.hpp"

#include <atomic>
#include <optional>

#include "agent/schedule/thread.hpp"
#include "agent/serve/event_loop.hpp"
#include "agent/serve/listener.hpp"
#include "agent/serve/server_stats.hpp"

namespace vitals {

struct HttpServer::Impl {
  http::Listener listener;
  ServerLimits limits;
  http::ServerStats stats;
  Handler handler;
  std::optional<http::EventLoop> loop;
  Thread thread;
  std::atomic<bool> serving = false;
};

Result<std::unique_ptr<HttpServer>> HttpServer::listen(const std::string& address,
                                                       ServerLimits limits, Fd inherited) {
  auto impl = std::make_unique<Impl>();
  if (auto adopted = http::adopt_listener(address, std::move(inherited))) {
    impl->listener = std::move(*adopted);
  } else {
    auto opened = http::open_listener(address);
    if (!opened) return opened.error();
    impl->listener = std::move(opened).value();
  }
  impl->limits = limits;
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

HttpServer::~HttpServer() { stop(Duration::zero()); }

std::optional<Error> HttpServer::start(Handler handler, std::vector<std::string> slow_paths) {
  VITALS_ASSERT(!impl_->loop && impl_->listener.fd);
  impl_->handler = std::move(handler);
  impl_->loop.emplace(std::move(impl_->listener.fd), impl_->limits, impl_->handler,
                      std::move(slow_paths), impl_->stats);
  // The loop first: what comes for the worker meanwhile waits in its queue.
  auto thread = Thread::start("http", [this] {
    impl_->loop->serve_waiting();
    impl_->serving = true;
    impl_->serving.notify_one();
    impl_->loop->run();
  });
  if (!thread) return thread.error();
  // Who has been waiting in the kernel is answered before the caller goes on: two threads that
  // touch their pages for the first time hold each other up.
  impl_->serving.wait(false);
  impl_->thread = std::move(thread).value();
  return impl_->loop->start_worker();
}

void HttpServer::stop(Duration limit) {
  impl_->listener.fd.reset();
  if (!impl_->loop) return;
  impl_->loop->request_stop(limit);
  impl_->thread.join();
  impl_->loop.reset();
  impl_->stats.set_connections(0);
}

int HttpServer::listener() const { return impl_->listener.fd.get(); }

std::uint16_t HttpServer::port() const { return impl_->listener.port; }

HttpStats HttpServer::stats() const { return impl_->stats.copy(); }

}  // namespace vitals
