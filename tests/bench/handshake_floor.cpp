// handshake_floor CERTIFICATE_AND_KEY COUNT full|resumed: what OpenSSL's server side of a connection costs when there
// is nothing else: no sockets, no kernel, no service. It is the same connection as handshake_load's, in memory.
//
// Prints {"count":…,"cpu_us":…}: CPU time on the server's side alone, per connection.
#include <openssl/ssl.h>
#include <time.h>

#include <array>
#include <cstdio>
#include <string_view>
#include <utility>

#include "tests/bench/loopback.hpp"
#include "tests/bench/tls_client.hpp"

namespace keysluice::bench {
namespace {

constexpr std::string_view kGreeting = "hello";
constexpr int kWalletIndex = 0;  // OpenSSL keeps this one for the application
constexpr std::size_t kPipeSize = 65536;

double thread_cpu_us() {
    timespec now{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

int keep_session(SSL* tls, SSL_SESSION* session) {
    static_cast<SslSession*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(tls), kWalletIndex))->reset(session);
    return 1;
}

Result<SslContext> tls13_server(const char* file) {
    SslContext context(SSL_CTX_new(TLS_server_method()));
    if (!context || SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION) != 1 ||
        SSL_CTX_use_certificate_chain_file(context.get(), file) != 1 ||
        SSL_CTX_use_PrivateKey_file(context.get(), file, SSL_FILETYPE_PEM) != 1) {
        return fail("openssl-failed", openssl_error());
    }
    return context;
}

void greet(SSL* tls) {
    SSL_write(tls, kGreeting.data(), static_cast<int>(kGreeting.size()));
}

bool hear(SSL* tls) {
    std::array<char, kGreeting.size()> heard{};
    return SSL_read(tls, heard.data(), static_cast<int>(heard.size())) == static_cast<int>(kGreeting.size()) &&
           std::string_view(heard.data(), heard.size()) == kGreeting;
}

/// Both sides of one connection, stepped in turn. Returns the CPU time of the server's steps in microseconds.
Result<double> converse(SSL_CTX* server_context, SSL_CTX* client_context, SslSession session, bool& resumed) {
    BIO* client_bio = nullptr;
    BIO* server_bio = nullptr;
    SslConnection client(SSL_new(client_context));
    if (!client || BIO_new_bio_pair(&client_bio, kPipeSize, &server_bio, kPipeSize) != 1) {
        return fail("openssl-failed", openssl_error());
    }
    SSL_set_bio(client.get(), client_bio, client_bio);
    if (session) {
        SSL_set_session(client.get(), session.get());
    }
    SSL_connect(client.get());
    double used = -thread_cpu_us();
    SslConnection server(SSL_new(server_context));
    SSL_set_bio(server.get(), server_bio, server_bio);
    SSL_accept(server.get());
    used += thread_cpu_us();
    const bool connected = SSL_connect(client.get()) == 1;
    greet(client.get());
    used -= thread_cpu_us();
    const bool served = SSL_accept(server.get()) == 1 && hear(server.get());
    greet(server.get());
    used += thread_cpu_us();
    const bool heard = hear(client.get());
    resumed = SSL_session_reused(client.get()) == 1;
    SSL_shutdown(client.get());
    used -= thread_cpu_us();
    SSL_shutdown(server.get());
    server.reset();
    used += thread_cpu_us();
    if (!connected || !served || !heard) {
        return fail("connection-broken", openssl_error());
    }
    return used;
}

Result<double> measure(const char* file, std::uint64_t count, bool resume) {
    const Result<SslContext> server = tls13_server(file);
    const Result<SslContext> client = tls13_client();
    if (!server || !client) {
        return fail("openssl-failed", "cannot set up both sides with " + std::string(file));
    }
    SslSession session;
    SSL_CTX_set_ex_data(client->get(), kWalletIndex, &session);
    SSL_CTX_set_session_cache_mode(client->get(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(client->get(), keep_session);
    const std::uint64_t warm_up = count / 10 + 1;
    double total = 0;
    for (std::uint64_t i = 0; i < warm_up + count; ++i) {
        bool resumed = false;
        Result<double> used =
            converse(server->get(), client->get(), resume ? std::exchange(session, nullptr) : nullptr, resumed);
        if (!used) {
            return used;
        }
        if (i >= warm_up && resumed != resume) {
            return fail("not-resumed", "a handshake was not of the kind that was asked for");
        }
        total += i < warm_up ? 0 : *used;
    }
    return total / static_cast<double>(count);
}

int run(char** arguments) {
    const Result<std::uint64_t> count = parse_number(arguments[2], 10'000'000);
    const std::string_view kind(arguments[3]);
    if (!count || (kind != "full" && kind != "resumed")) {
        return report({"bad-argument", "expected FILE COUNT full|resumed"});
    }
    const Result<double> cpu = measure(arguments[1], *count, kind == "resumed");
    if (!cpu) {
        return report(cpu.error());
    }
    std::printf("{\"count\": %llu, \"cpu_us\": %.3f}\n", static_cast<unsigned long long>(*count), *cpu);
    return 0;
}

}  // namespace
}  // namespace keysluice::bench

int main(int argc, char** argv) {
    if (argc != 4) {
        std::fputs("usage: handshake_floor CERTIFICATE_AND_KEY COUNT full|resumed\n", stderr);
        return 2;
    }
    return keysluice::bench::run(argv);
}
