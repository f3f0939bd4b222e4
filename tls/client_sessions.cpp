#include "tls/client_sessions.hpp"

#include <openssl/x509.h>

#include <utility>

namespace keysluice::tls {

namespace {

bool has_expired(const SSL_SESSION* session, std::chrono::system_clock::time_point time) {
    const X509* certificate = SSL_SESSION_get0_peer(const_cast<SSL_SESSION*>(session));
    std::time_t seconds = std::chrono::system_clock::to_time_t(time);
    return certificate != nullptr && X509_cmp_time(X509_get0_notAfter(certificate), &seconds) <= 0;
}

}  // namespace

ResumableSession ClientSessions::take(const std::string& server, Instant now,
                                      std::chrono::system_clock::time_point time) {
    const auto found = servers_.find(server);
    if (found == servers_.end()) {
        return {};
    }
    auto& tickets = found->second;
    std::erase_if(tickets, [&](const ResumableSession& each) {
        return each.begun + lifetime_ <= now || SSL_SESSION_is_resumable(each.session.get()) == 0 ||
               has_expired(each.session.get(), time);
    });
    if (tickets.empty()) {
        return {};
    }
    ResumableSession& newest = tickets.back();
    if (SSL_SESSION_get_protocol_version(newest.session.get()) != TLS1_3_VERSION) {
        // Everybody sees under TLS 1.2 which session goes on, and servers often give out no other ticket.
        SSL_SESSION_up_ref(newest.session.get());
        return {.session = SslSessionPtr(newest.session.get()), .begun = newest.begun};
    }
    ResumableSession taken = std::move(newest);
    tickets.pop_back();
    return taken;
}

void ClientSessions::keep(const std::string& server, ResumableSession session) {
    if (!servers_.contains(server) && servers_.size() >= kMostServers) {
        return;
    }
    auto& tickets = servers_[server];
    tickets.push_back(std::move(session));
    if (tickets.size() > kMostTickets) {
        tickets.pop_front();
    }
}

bool ClientSessions::wants(const std::string& server) const {
    const auto found = servers_.find(server);
    return found == servers_.end() ? servers_.size() < kMostServers : found->second.size() < kMostTickets;
}

}  // namespace keysluice::tls
