#include "tests/support/tls_pair.hpp"

#include <array>
#include <stdexcept>

#include "tls/record.hpp"

namespace keysluice::testing {

namespace {

template <typename T>
T must(Result<T> result) {
    if (!result) {
        throw std::runtime_error(std::string(result.error().reason) + ": " + result.error().sentence);
    }
    return std::move(*result);
}

}  // namespace

Pki& Pki::shared() {
    static Pki pki;
    static const bool made = [] {
        pki.authority = pki.folder.make({.subject = "test authority", .names = "", .authority = true});
        pki.stranger = pki.folder.make({.subject = "a stranger", .names = "", .authority = true});
        pki.server = pki.folder.make({.issuer = &pki.authority});
        pki.rsa_server = pki.folder.make({.key = KeyType::rsa2048, .issuer = &pki.authority});
        pki.client = pki.folder.make({.subject = "client 7", .names = "", .issuer = &pki.authority});
        return true;
    }();
    static_cast<void>(made);
    return pki;
}

tls::ServerSettings server_settings() {
    const Pki& pki = Pki::shared();
    tls::ServerSettings settings;
    settings.certificate = pki.server.certificate_file;
    settings.private_key = pki.server.key_file;
    settings.protocol.export_keys = true;
    return settings;
}

tls::ClientSettings client_settings() {
    tls::ClientSettings settings;
    settings.ca = Pki::shared().authority.certificate_file;
    settings.server_name = "shop.example";
    settings.protocol.export_keys = true;
    return settings;
}

tls::Context server_context(const tls::ServerSettings& settings) {
    return must(tls::Context::server(settings, std::chrono::system_clock::now()));
}

tls::Context client_context(const tls::ClientSettings& settings) {
    return must(tls::Context::client(settings, std::chrono::system_clock::now()));
}

std::vector<Bytes> records_in(Bytes stream) {
    std::vector<Bytes> records;
    while (stream.size() >= tls::kRecordHeaderSize) {
        const auto header = must(tls::parse_record_header(stream.first<tls::kRecordHeaderSize>()));
        const std::size_t size = tls::kRecordHeaderSize + header.length;
        if (stream.size() < size) {
            break;
        }
        records.push_back(stream.first(size));
        stream = stream.subspan(size);
    }
    return records;
}

TlsPair::TlsPair(const tls::Context& server_side, const tls::Context& client_side)
    : server(must(tls::Session::accept(server_side))), client(must(tls::Session::connect(client_side))) {}

void TlsPair::shake_hands() {
    while (server_result && client_result && !(client->output().empty() && server->output().empty())) {
        server_result = move_records(*client, *server);
        client_result = move_records(*server, *client);
    }
}

Result<void> move_records(tls::Session& from, tls::Session& to) {
    const std::vector<std::uint8_t> bytes = take_output(from);
    for (const Bytes record : records_in(bytes)) {
        if (auto fed = to.feed(record); !fed) {
            return fed;
        }
    }
    return {};
}

std::vector<std::uint8_t> take_output(tls::Session& session) {
    std::vector<std::uint8_t> bytes(session.output().begin(), session.output().end());
    session.sent(bytes.size());
    return bytes;
}

Received receive_all(tls::Session& session, Bytes ciphertext) {
    Received received{{}, tls::Read::data};
    std::array<std::uint8_t, 10000> room{};
    session.receive(ciphertext);
    while (received.end == tls::Read::data) {
        const auto outcome = session.read(room);
        if (!outcome) {
            received.end = std::unexpected(outcome.error());
            break;
        }
        received.data.insert(received.data.end(), room.begin(), room.begin() + static_cast<long>(outcome->count));
        received.end = outcome->what;
    }
    return received;
}

std::vector<std::uint8_t> pattern(std::size_t size) {
    std::vector<std::uint8_t> bytes(size);
    std::uint32_t state = 0x9e3779b9;
    for (std::uint8_t& byte : bytes) {
        state = state * 1664525 + 1013904223;
        byte = static_cast<std::uint8_t>(state >> 24U);
    }
    return bytes;
}

}  // namespace keysluice::testing
