// One client: its socket, its buffers, and its place in the list of its phase.
#include "agent/serve/connection.hpp"

namespace vitals::http {

void ConnectionList::push_back(Connection& connection) {
  connection.previous = back_;
  connection.next = nullptr;
  (back_ != nullptr ? back_->next : front_) = &connection;
  back_ = &connection;
}

void ConnectionList::remove(Connection& connection) {
  (connection.previous != nullptr ? connection.previous->next : front_) = connection.next;
  (connection.next != nullptr ? connection.next->previous : back_) = connection.previous;
  connection.previous = nullptr;
  connection.next = nullptr;
}

}  // namespace vitals::http
