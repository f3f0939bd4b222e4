// Rules of nftables, as the expressions and sets of which the kernel makes them.

#include <linux/netfilter/nf_tables.h>
#include <net/if_arp.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "netlink/nest.hpp"
#include "netlink/nftables.hpp"

namespace keysluice::netlink::nft {

namespace {

// linux/netfilter.h, which does not get along with netinet/in.h: NFPROTO_IPV4, NFPROTO_IPV6, NF_DROP.
constexpr std::uint8_t kIpv4 = 2;
constexpr std::uint8_t kIpv6 = 10;
constexpr int kDrop = 0;
/// The kernel puts a number of its own there.
constexpr std::string_view kSetName = "__set%d";
/// An attribute has 16 bits for its length, and an element some forty bytes.
constexpr std::size_t kElementsInOne = 500;

Nest valued(Bytes value) {
    return Nest().put(NFTA_DATA_VALUE, value);
}

/// Where a field is.
struct Place {
    /// Of enum nft_payload_bases; nothing for the protocol, which the kernel has found out.
    std::uint32_t base;
    std::uint32_t offset;
    std::uint32_t size;
    /// By which `nft list` writes the elements of a set (nft's src/datatype.c).
    std::uint32_t written_as;
};

Place place_of(Field field, Family family) {
    const bool four = family == Family::ipv4;
    const std::uint32_t address = four ? 7 : 8;
    switch (field) {
        case Field::protocol:
            return {NFT_PAYLOAD_LL_HEADER, 0, 1, 12};
        case Field::source_address:
            return {NFT_PAYLOAD_NETWORK_HEADER, four ? 12U : 8U, four ? 4U : 16U, address};
        case Field::destination_address:
            return {NFT_PAYLOAD_NETWORK_HEADER, four ? 16U : 24U, four ? 4U : 16U, address};
        case Field::source_port:
            return {NFT_PAYLOAD_TRANSPORT_HEADER, 0, 2, 13};
        case Field::destination_port:
            return {NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, 13};
        case Field::icmp_type:
            return {NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1, 5};
        case Field::icmp_code:
            return {NFT_PAYLOAD_TRANSPORT_HEADER, 1, 1, 5};
    }
    std::unreachable();
}

std::vector<std::uint8_t> bytes_for(Number value, std::uint32_t size) {
    std::vector<std::uint8_t> bytes(size);
    for (auto byte = bytes.rbegin(); byte != bytes.rend(); ++byte, value >>= 8U) {
        *byte = static_cast<std::uint8_t>(value & 0xffU);
    }
    return bytes;
}

/// An interval of a set is where it begins, and behind it where it does not go on: nothing, where it goes to the end.
/// In a map, what is found stands with the beginning.
void put_interval(Nest& elements, const Interval& interval, std::uint32_t size, const Nest* found = nullptr) {
    const auto element = [size](Number key, std::uint32_t flags) {
        return Nest().put(NFTA_SET_ELEM_KEY, valued(bytes_for(key, size))).number(NFTA_SET_ELEM_FLAGS, flags);
    };
    Nest first = element(interval.first, 0);
    if (found != nullptr) {
        first.put(NFTA_SET_ELEM_DATA, *found);
    }
    elements.put(NFTA_LIST_ELEM, first);
    if (interval.last != ~Number{0} >> (128 - 8 * size)) {
        elements.put(NFTA_LIST_ELEM, element(interval.last + 1, NFT_SET_ELEM_INTERVAL_END));
    }
}

Nest verdict(std::int32_t code, std::string_view chain = {}) {
    Nest inside = Nest().number(NFTA_VERDICT_CODE, static_cast<std::uint32_t>(code));
    if (!chain.empty()) {
        inside.put(NFTA_VERDICT_CHAIN, chain);
    }
    return Nest().put(NFTA_DATA_VERDICT, inside);
}

}  // namespace

/// The steps of one rule, as the expressions of which the kernel makes it: most load something into register 1 and
/// compare it.
class Expressions {
   public:
    explicit Expressions(Batch& batch) : batch_(batch) {}

    [[nodiscard]] const Nest& list() const { return list_; }

    void operator()(const OfFamily& step) {
        const auto family = static_cast<std::uint8_t>(step.family == Family::ipv4 ? kIpv4 : kIpv6);
        load_meta(NFT_META_NFPROTO);
        compare(NFT_CMP_EQ, {&family, 1});
    }

    void operator()(const Fits& step) {
        load(step.field, step.family);
        if (step.any_of.size() == 1) {
            compare(step.any_of.front(), place_of(step.field, step.family).size);
        } else {
            add("lookup", look_up(batch_.set(step)));
        }
    }

    void operator()(const Dispatch& step) {
        load(step.field, step.family);
        add("lookup", look_up(batch_.map(step)).number(NFTA_LOOKUP_DREG, std::uint32_t{NFT_REG_VERDICT}));
    }

    void operator()(const Decapsulated&) {
        load_meta(NFT_META_SECPATH);
        compare(NFT_CMP_EQ, std::array<std::uint8_t, 1>{1});
    }

    void operator()(const BoundFor& step) {
        add("xfrm", Nest()
                        .number(NFTA_XFRM_DREG, kRegister)
                        .number(NFTA_XFRM_KEY, std::uint32_t{NFT_XFRM_KEY_REQID})
                        .number(NFTA_XFRM_DIR, std::uint8_t{1})  // XFRM_POLICY_OUT
                        .number(NFTA_XFRM_SPNUM, std::uint32_t{0}));
        compare(NFT_CMP_EQ, bytes_of(step.reqid));
    }

    void operator()(const FromLoopback&) {
        load_meta(NFT_META_IIFTYPE);
        compare(NFT_CMP_EQ, bytes_of(std::uint16_t{ARPHRD_LOOPBACK}));
    }

    void operator()(const LaterFragment&) {
        constexpr std::array<std::uint8_t, 2> kNone{};
        constexpr std::array<std::uint8_t, 2> kOffset{0xff, 0xf8};
        (*this)(OfFamily{Family::ipv6});
        add("exthdr", Nest()
                          .number(NFTA_EXTHDR_DREG, kRegister)
                          .number(NFTA_EXTHDR_TYPE, std::uint8_t{IPPROTO_FRAGMENT})
                          .number(NFTA_EXTHDR_OFFSET, std::uint32_t{2})
                          .number(NFTA_EXTHDR_LEN, std::uint32_t{2})
                          .number(NFTA_EXTHDR_OP, std::uint32_t{NFT_EXTHDR_OP_IPV6}));
        add("bitwise", Nest()
                           .number(NFTA_BITWISE_SREG, kRegister)
                           .number(NFTA_BITWISE_DREG, kRegister)
                           .number(NFTA_BITWISE_LEN, std::uint32_t{2})
                           .put(NFTA_BITWISE_MASK, valued(kOffset))
                           .put(NFTA_BITWISE_XOR, valued(kNone)));
        compare(NFT_CMP_NEQ, kNone);
    }

    void operator()(const Count& step) {
        add("objref", Nest()
                          .number(NFTA_OBJREF_IMM_TYPE, std::uint32_t{NFT_OBJECT_COUNTER})
                          .put(NFTA_OBJREF_IMM_NAME, step.counter));
    }

    void operator()(const OnceAMinute&) {
        add("limit", Nest()
                         .number(NFTA_LIMIT_RATE, std::uint64_t{1})
                         .number(NFTA_LIMIT_UNIT, std::uint64_t{60})
                         .number(NFTA_LIMIT_BURST, std::uint32_t{1})
                         .number(NFTA_LIMIT_TYPE, std::uint32_t{NFT_LIMIT_PKTS}));
    }

    void operator()(const Log& step) {
        add("log", Nest().put(NFTA_LOG_PREFIX, step.prefix).number(NFTA_LOG_GROUP, step.group));
    }

    void operator()(const Verdict& step) { finish(verdict(step == Verdict::drop ? kDrop : NFT_RETURN)); }
    void operator()(const Goto& step) { finish(verdict(NFT_GOTO, step.chain)); }

   private:
    static constexpr std::uint32_t kRegister = NFT_REG_1;

    void add(std::string_view name, const Nest& attributes) {
        list_.put(NFTA_LIST_ELEM, Nest().put(NFTA_EXPR_NAME, name).put(NFTA_EXPR_DATA, attributes));
    }
    void load(Field field, Family family) {
        const Place place = place_of(field, family);
        if (field == Field::protocol) {
            load_meta(NFT_META_L4PROTO);
            return;
        }
        add("payload", Nest()
                           .number(NFTA_PAYLOAD_DREG, kRegister)
                           .number(NFTA_PAYLOAD_BASE, place.base)
                           .number(NFTA_PAYLOAD_OFFSET, place.offset)
                           .number(NFTA_PAYLOAD_LEN, place.size));
    }
    static Nest look_up(std::uint32_t set) {
        return Nest()
            .put(NFTA_LOOKUP_SET, kSetName)
            .number(NFTA_LOOKUP_SREG, kRegister)
            .number(NFTA_LOOKUP_SET_ID, set);
    }
    void load_meta(std::uint32_t key) {
        add("meta", Nest().number(NFTA_META_DREG, kRegister).number(NFTA_META_KEY, key));
    }
    void compare(std::uint32_t operation, Bytes value) {
        add("cmp",
            Nest().number(NFTA_CMP_SREG, kRegister).number(NFTA_CMP_OP, operation).put(NFTA_CMP_DATA, valued(value)));
    }
    void compare(const Interval& interval, std::uint32_t size) {
        if (interval.first == interval.last) {
            compare(NFT_CMP_EQ, bytes_for(interval.first, size));
            return;
        }
        add("range", Nest()
                         .number(NFTA_RANGE_SREG, kRegister)
                         .number(NFTA_RANGE_OP, std::uint32_t{NFT_RANGE_EQ})
                         .put(NFTA_RANGE_FROM_DATA, valued(bytes_for(interval.first, size)))
                         .put(NFTA_RANGE_TO_DATA, valued(bytes_for(interval.last, size))));
    }
    void finish(const Nest& end) {
        add("immediate",
            Nest().number(NFTA_IMMEDIATE_DREG, std::uint32_t{NFT_REG_VERDICT}).put(NFTA_IMMEDIATE_DATA, end));
    }

    Batch& batch_;
    Nest list_;
};

Batch& Batch::rule(const Rule& rule) {
    Expressions expressions(*this);
    for (const Step& step : rule.steps) {
        std::visit(expressions, step);
    }
    // Behind those of its sets.
    Request& request = add(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
    put(request, NFTA_RULE_CHAIN, rule.chain);
    put(request, NFTA_RULE_EXPRESSIONS, expressions.list());
    return *this;
}

std::uint32_t Batch::anonymous_set(Field field, Family family, bool of_verdicts) {
    const Place place = place_of(field, family);
    const std::uint32_t id = ++sets_;
    Request& request = add(NFT_MSG_NEWSET, NLM_F_CREATE);
    put(request, NFTA_SET_NAME, kSetName);
    put_number(
        request, NFTA_SET_FLAGS,
        (of_verdicts ? std::uint32_t{NFT_SET_MAP} : 0U) | NFT_SET_ANONYMOUS | NFT_SET_CONSTANT | NFT_SET_INTERVAL);
    put_number(request, NFTA_SET_KEY_TYPE, place.written_as);
    put_number(request, NFTA_SET_KEY_LEN, place.size);
    if (of_verdicts) {
        put_number(request, NFTA_SET_DATA_TYPE, std::uint32_t{NFT_DATA_VERDICT});
    }
    put_number(request, NFTA_SET_ID, id);
    return id;
}

void Batch::put_elements(std::uint32_t set, const Nest& elements) {
    Request& request = add(NFT_MSG_NEWSETELEM, NLM_F_CREATE);
    put(request, NFTA_SET_ELEM_LIST_SET, kSetName);
    put_number(request, NFTA_SET_ELEM_LIST_SET_ID, set);
    put(request, NFTA_SET_ELEM_LIST_ELEMENTS, elements);
}

std::uint32_t Batch::set(const Fits& fits) {
    const std::uint32_t size = place_of(fits.field, fits.family).size;
    const std::uint32_t id = anonymous_set(fits.field, fits.family, false);
    for (std::size_t done = 0; done < fits.any_of.size(); done += kElementsInOne) {
        const auto rest = std::span(fits.any_of).subspan(done);
        Nest elements;
        for (const Interval& each : rest.first(std::min(rest.size(), kElementsInOne))) {
            put_interval(elements, each, size);
        }
        put_elements(id, elements);
    }
    return id;
}

std::uint32_t Batch::map(const Dispatch& dispatch) {
    const std::uint32_t size = place_of(dispatch.field, dispatch.family).size;
    const std::uint32_t id = anonymous_set(dispatch.field, dispatch.family, true);
    Nest elements;
    for (const Branch& each : dispatch.chains) {
        const Nest found = verdict(NFT_JUMP, each.chain);
        put_interval(elements, each.part, size, &found);
    }
    put_elements(id, elements);
    return id;
}

}  // namespace keysluice::netlink::nft
