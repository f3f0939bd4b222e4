#include "netlink/nftables.hpp"

#include <fmt/format.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <array>

#include "base/bytes.hpp"
#include "netlink/attribute_set.hpp"
#include "netlink/messages.hpp"
#include "netlink/nest.hpp"

namespace keysluice::netlink::nft {

namespace {

// linux/netfilter.h, which does not get along with netinet/in.h: NFPROTO_INET, NF_INET_LOCAL_IN and so on.
constexpr std::uint8_t kInet = 1;
constexpr std::uint32_t kLocalIn = 1;
constexpr std::uint32_t kPostRouting = 4;
constexpr std::uint32_t kOwner = 2;    // NFT_TABLE_F_OWNER, Linux 5.12
constexpr std::uint32_t kPersist = 4;  // NFT_TABLE_F_PERSIST, Linux 6.9

std::uint16_t type_of(std::uint8_t message) {
    return static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8U | message);
}

Result<AttributeSet> attributes_of(Bytes payload, std::span<const AttributeRule> rules, std::string_view what) {
    if (payload.size() < sizeof(nfgenmsg)) {
        return fail("netlink-malformed",
                    fmt::format("{} has {} bytes, expected at least {}", what, payload.size(), sizeof(nfgenmsg)));
    }
    return AttributeSet::parse(behind(payload, sizeof(nfgenmsg)), rules, what);
}

std::string text_in(const AttributeSet& attributes, std::uint16_t type) {
    const std::string_view letters = as_text(attributes.find(type).value_or(Bytes{}));
    return std::string(letters.substr(0, letters.find('\0')));
}

Request question(std::uint8_t message) {
    Request request{type_of(message)};
    request.structure(nfgenmsg{.nfgen_family = kInet, .version = NFNETLINK_V0, .res_id = 0});
    return request;
}

/// What a dump shows of one table.
template <typename Entry>
Result<std::vector<Entry>> list(Socket& socket, Request request, std::string_view table, std::string_view what,
                                Result<Entry> (*decode)(Bytes payload)) {
    std::vector<Entry> found;
    const auto dumped = socket.dump(std::move(request), what, [&](const nlmsghdr& message) {
        auto entry = decode(payload_of(message));
        if (!entry) {
            return Result<void>(std::unexpected(entry.error()));
        }
        if (entry->table == table) {
            found.push_back(*std::move(entry));
        }
        return Result<void>();
    });
    if (!dumped) {
        return std::unexpected(dumped.error());
    }
    return found;
}

}  // namespace

Request& Batch::add(std::uint8_t type, std::uint16_t flags) {
    Request& request = requests_.emplace_back(type_of(type));
    request.header().nlmsg_flags = flags;
    request.structure(nfgenmsg{.nfgen_family = kInet, .version = NFNETLINK_V0, .res_id = 0});
    // The table's name is the first attribute of every kind of message (NFTA_TABLE_NAME, NFTA_CHAIN_TABLE, …).
    put(request, NFTA_TABLE_NAME, table_);
    return request;
}

Batch& Batch::table(Ownership ownership) {
    put_number(add(NFT_MSG_NEWTABLE, NLM_F_CREATE), NFTA_TABLE_FLAGS,
               ownership == Ownership::socket ? kOwner | kPersist : 0U);
    return *this;
}

Batch& Batch::delete_table() {
    add(NFT_MSG_DELTABLE);
    return *this;
}

Batch& Batch::base_chain(std::string_view name, Hook hook, std::int32_t priority) {
    const std::uint32_t number = hook == Hook::input ? kLocalIn : kPostRouting;
    Request& request = add(NFT_MSG_NEWCHAIN, NLM_F_CREATE);
    put(request, NFTA_CHAIN_NAME, name);
    put(request, NFTA_CHAIN_HOOK,
        Nest().number(NFTA_HOOK_HOOKNUM, number).number(NFTA_HOOK_PRIORITY, static_cast<std::uint32_t>(priority)));
    put(request, NFTA_CHAIN_TYPE, "filter");
    return *this;
}

Batch& Batch::chain(std::string_view name) {
    put(add(NFT_MSG_NEWCHAIN, NLM_F_CREATE), NFTA_CHAIN_NAME, name);
    return *this;
}

Batch& Batch::delete_chain(std::string_view name) {
    put(add(NFT_MSG_DELCHAIN), NFTA_CHAIN_NAME, name);
    return *this;
}

Batch& Batch::counter(std::string_view name, std::uint64_t packets) {
    Request& request = add(NFT_MSG_NEWOBJ, NLM_F_CREATE);
    put(request, NFTA_OBJ_NAME, name);
    put_number(request, NFTA_OBJ_TYPE, std::uint32_t{NFT_OBJECT_COUNTER});
    put(request, NFTA_OBJ_DATA,
        Nest().number(NFTA_COUNTER_PACKETS, packets).number(NFTA_COUNTER_BYTES, std::uint64_t{0}));
    return *this;
}

Batch& Batch::delete_counter(std::string_view name) {
    Request& request = add(NFT_MSG_DELOBJ);
    put(request, NFTA_OBJ_NAME, name);
    put_number(request, NFTA_OBJ_TYPE, std::uint32_t{NFT_OBJECT_COUNTER});
    return *this;
}

Batch& Batch::delete_rules() {
    add(NFT_MSG_DELRULE);
    return *this;
}

Result<void> apply(Socket& socket, Batch batch, std::string_view what) {
    return socket.batch(batch.requests(), NFNL_SUBSYS_NFTABLES, what);
}

Result<Counter> decode_counter(Bytes payload) {
    static constexpr std::string_view kWhat = "the kernel's description of a counter";
    static constexpr auto kRules =
        std::to_array<AttributeRule>({{NFTA_OBJ_TABLE, 1}, {NFTA_OBJ_NAME, 1}, {NFTA_OBJ_DATA, 1}});
    static constexpr auto kInside = std::to_array<AttributeRule>({{NFTA_COUNTER_PACKETS, sizeof(std::uint64_t)}});
    const auto attributes = attributes_of(payload, kRules, kWhat);
    if (!attributes) {
        return std::unexpected(attributes.error());
    }
    const auto inside = AttributeSet::parse(attributes->find(NFTA_OBJ_DATA).value_or(Bytes{}), kInside, kWhat);
    if (!inside) {
        return std::unexpected(inside.error());
    }
    return Counter{.table = text_in(*attributes, NFTA_OBJ_TABLE),
                   .name = text_in(*attributes, NFTA_OBJ_NAME),
                   .packets = Reader(inside->find(NFTA_COUNTER_PACKETS).value_or(Bytes{})).be<std::uint64_t>()};
}

Result<Chain> decode_chain(Bytes payload) {
    static constexpr auto kRules = std::to_array<AttributeRule>({{NFTA_CHAIN_TABLE, 1}, {NFTA_CHAIN_NAME, 1}});
    const auto attributes = attributes_of(payload, kRules, "the kernel's description of a chain");
    if (!attributes) {
        return std::unexpected(attributes.error());
    }
    return Chain{.table = text_in(*attributes, NFTA_CHAIN_TABLE), .name = text_in(*attributes, NFTA_CHAIN_NAME)};
}

Result<std::vector<Counter>> counters(Socket& socket, std::string_view table) {
    Request request = question(NFT_MSG_GETOBJ);
    put(request, NFTA_OBJ_TABLE, table);
    put_number(request, NFTA_OBJ_TYPE, std::uint32_t{NFT_OBJECT_COUNTER});
    return list(socket, std::move(request), table, "the counters of nftables", decode_counter);
}

Result<std::vector<Chain>> chains(Socket& socket, std::string_view table) {
    return list(socket, question(NFT_MSG_GETCHAIN), table, "the chains of nftables", decode_chain);
}

}  // namespace keysluice::netlink::nft
