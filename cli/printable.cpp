#include "cli/printable.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <utility>

namespace keysluice::cli {
namespace {

/// One character at the beginning of a text; `size` 0: there is no UTF-8.
struct Character {
    std::uint32_t code = 0;
    std::size_t size = 0;
};

Character first_of(std::string_view text) {
    const auto lead = static_cast<unsigned char>(text.front());
    if (lead < 0x80) {
        return {lead, 1};
    }
    const std::size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc2 ? 2 : 0;
    if (size == 0 || size > text.size() || lead > 0xf4) {
        return {};
    }
    constexpr std::array<std::uint32_t, 5> kLeast{0, 0, 0x80, 0x800, 0x10000};
    std::uint32_t code = lead & (0x7fU >> size);
    for (std::size_t at = 1; at < size; ++at) {
        const auto octet = static_cast<unsigned char>(text[at]);
        if ((octet & 0xc0U) != 0x80) {
            return {};
        }
        code = (code << 6U) | (octet & 0x3fU);
    }
    const bool surrogate = code >= 0xd800 && code <= 0xdfff;
    return code < kLeast.at(size) || code > 0x10ffff || surrogate ? Character{} : Character{code, size};
}

/// Controls, formatting characters that turn the direction round or are not seen, separators of lines, tags.
bool is_unsafe(std::uint32_t code) {
    constexpr std::array<std::pair<std::uint32_t, std::uint32_t>, 9> kUnsafe{{
        {0x00, 0x1f},
        {0x7f, 0x9f},
        {0xad, 0xad},
        {0x61c, 0x61c},
        {0x200b, 0x200f},
        {0x2028, 0x202e},
        {0x2060, 0x206f},
        {0xfeff, 0xfeff},
        {0xe0000, 0xe007f},
    }};
    return std::ranges::any_of(kUnsafe,
                               [code](const auto& range) { return code >= range.first && code <= range.second; });
}

void make_printable(std::initializer_list<std::string*> texts) {
    for (std::string* text : texts) {
        *text = printable(*text);
    }
}

void make_printable(std::vector<std::string>& texts) {
    for (std::string& text : texts) {
        text = printable(text);
    }
}

}  // namespace

std::string printable(std::string_view text) {
    std::string result;
    result.reserve(text.size());
    const auto out = std::back_inserter(result);
    while (!text.empty()) {
        const auto [code, size] = first_of(text);
        if (size == 0) {
            fmt::format_to(out, "\\x{:02x}", static_cast<unsigned char>(text.front()));
        } else if (code == '\\') {
            result += "\\\\";
        } else if (is_unsafe(code)) {
            code < 0x80 ? fmt::format_to(out, "\\x{:02x}", code) : fmt::format_to(out, "\\u{{{:x}}}", code);
        } else {
            result += text.substr(0, size);
        }
        text.remove_prefix(std::max<std::size_t>(size, 1));
    }
    return result;
}

IkeSa printable(IkeSa sa) {
    make_printable({&sa.connection, &sa.state, &sa.local, &sa.remote, &sa.local_id, &sa.remote_id, &sa.suite});
    make_printable({&sa.interface});
    for (std::vector<std::string>* texts : {&sa.virtual_addresses, &sa.assigned_addresses, &sa.dns, &sa.domains}) {
        make_printable(*texts);
    }
    for (ChildSa& child : sa.children) {
        make_printable({&child.name, &child.state, &child.mode, &child.suite, &child.offload_requested,
                        &child.offload, &child.offload_device, &child.offload_reason});
        make_printable(child.local_ts);
        make_printable(child.remote_ts);
    }
    return sa;
}

Connection printable(Connection connection) {
    make_printable({&connection.name, &connection.local, &connection.remote, &connection.local_id,
                    &connection.remote_id, &connection.auth, &connection.remote_auth, &connection.start,
                    &connection.gateway});
    make_printable(connection.gateways);
    make_printable(connection.groups);
    make_printable(connection.children);
    for (RefusedChild& each : connection.refused) {
        make_printable({&each.child, &each.reason, &each.sentence});
    }
    return connection;
}

TlsService printable(TlsService service) {
    make_printable({&service.name, &service.mode, &service.server_name, &service.client_certificate,
                    &service.min_version, &service.verify_peer, &service.max_version, &service.plaintext_remote,
                    &service.send_proxy, &service.accept_proxy, &service.offload_requested});
    make_printable(service.ciphers);
    make_printable(service.ciphersuites);
    make_printable(service.key_exchange_groups);
    make_printable(service.groups);
    make_printable(service.listen);
    make_printable(service.connect);
    std::map<std::string, std::uint64_t> counters;
    for (const auto& [name, value] : service.counters) {
        counters.emplace(printable(name), value);
    }
    service.counters = std::move(counters);
    return service;
}

TlsSession printable(TlsSession session) {
    make_printable({&session.service, &session.local, &session.remote, &session.backend, &session.version,
                    &session.suite, &session.offload_requested, &session.offload, &session.device, &session.reason});
    return session;
}

Manager printable(Manager manager) {
    make_printable({&manager.version, &manager.ike_failure});
    make_printable(manager.features);
    return manager;
}

Event printable(Event event) {
    make_printable({&event.kind, &event.connection, &event.child, &event.peer, &event.reason, &event.sentence,
                    &event.from, &event.to});
    return event;
}

std::size_t columns(std::string_view text) {
    return static_cast<std::size_t>(
        std::ranges::count_if(text, [](char octet) { return (static_cast<unsigned char>(octet) & 0xc0U) != 0x80; }));
}

}  // namespace keysluice::cli
