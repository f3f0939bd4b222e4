#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <tuple>
#include <utility>

#include "cli/import/import.hpp"
#include "cli/import/setkey_file.hpp"

namespace keysluice::importer {
namespace {

/// What an algorithm of setkey is here, by the length of its key.
struct Algorithm {
    std::string_view theirs;
    std::size_t key_size;
    std::string_view ours;
    std::string_view kind;  ///< of the key's file
};

constexpr auto kIntegrity = std::to_array<Algorithm>({
    {"hmac-sha1", 20, "hmac-sha1-96", "hmac-sha1"},
    {"hmac-sha256", 32, "hmac-sha-256-128", "hmac-sha-256"},
    {"hmac-sha2-256", 32, "hmac-sha-256-128", "hmac-sha-256"},
    {"hmac-sha512", 64, "hmac-sha-512-256", "hmac-sha-512"},
    {"hmac-sha2-512", 64, "hmac-sha-512-256", "hmac-sha-512"},
});
constexpr auto kEncryption = std::to_array<Algorithm>({
    {"aes-cbc", 16, "aes-cbc", "aes-128"},
    {"aes-cbc", 32, "aes-cbc", "aes-256"},
    {"rijndael-cbc", 16, "aes-cbc", "aes-128"},
    {"rijndael-cbc", 32, "aes-cbc", "aes-256"},
    {"aes-gcm-16", 20, "aes-gcm", "aes-gcm-128"},
    {"aes-gcm-16", 36, "aes-gcm", "aes-gcm-256"},
});

std::size_t size_of(const SetkeyAlgorithm& algorithm) {
    return algorithm.quoted ? algorithm.key.size()
                            : (algorithm.key.size() - std::min<std::size_t>(2, algorithm.key.size())) / 2;
}

bool has_digits_alone(const SetkeyAlgorithm& algorithm) {
    const bool prefix = algorithm.key.starts_with("0x") || algorithm.key.starts_with("0X");
    return algorithm.quoted ||
           (prefix && algorithm.key.size() % 2 == 0 &&
            algorithm.key.find_first_not_of("0123456789abcdefABCDEF", 2) == std::string_view::npos);
}

const Algorithm* known(std::span<const Algorithm> table, const SetkeyAlgorithm& algorithm) {
    const auto found = std::ranges::find_if(table, [&algorithm](const Algorithm& each) {
        return each.theirs == algorithm.name && each.key_size == size_of(algorithm);
    });
    return found == table.end() || !has_digits_alone(algorithm) ? nullptr : &*found;
}

/// "keysluice-key 1 KIND" and the key in hexadecimal.
SecretBuffer key_file(std::string_view kind, const SetkeyAlgorithm& algorithm) {
    static constexpr std::string_view kDigits = "0123456789abcdef";
    SecretBuffer contents;
    const std::string first = fmt::format("keysluice-key 1 {}\n", kind);
    contents.reserve(first.size() + 2 * algorithm.key.size() + 1);
    contents.insert(contents.end(), first.begin(), first.end());
    for (const char c : algorithm.key.substr(algorithm.quoted ? 0 : 2)) {
        const auto octet = static_cast<unsigned char>(c);
        if (algorithm.quoted) {
            contents.push_back(static_cast<std::uint8_t>(kDigits[octet >> 4U]));
            contents.push_back(static_cast<std::uint8_t>(kDigits[octet & 0xfU]));
        } else {
            contents.push_back(c >= 'A' && c <= 'F' ? static_cast<std::uint8_t>(c - 'A' + 'a') : octet);
        }
    }
    contents.push_back('\n');
    return contents;
}

bool covers(const Prefix& prefix, const IpAddress& address) {
    return address.family() == prefix.address.family() && prefix.first() <= address && address <= prefix.last();
}

std::string print(const Prefix& prefix) {
    return prefix.length == prefix.address.bits() ? prefix.address.text()
                                                  : fmt::format("{}/{}", prefix.address.text(), prefix.length);
}

class Translation {
   public:
    Translation(SetkeyFile file, Draft& draft, Surroundings& surroundings, const Wishes& wishes)
        : file_(std::move(file)), draft_(draft), surroundings_(surroundings), wishes_(wishes) {}

    void add_all() {
        std::vector<std::size_t> order(file_.policies.size());
        std::iota(order.begin(), order.end(), 0);
        std::ranges::sort(order, [this](std::size_t a, std::size_t b) {
            const std::int64_t left = file_.policies[a].priority;
            const std::int64_t right = file_.policies[b].priority;
            return left == right ? a < b : left > right;
        });
        std::vector<Table> policies;
        for (const SetkeyPolicy& policy : merged(order)) {
            add(policy, policies);
        }
        Table others;
        for (Remark& remark : file_.remarks) {
            others.remark(std::move(remark));
        }
        draft_.add(std::move(others));
        add_defaults();
        for (Table& policy : policies) {
            draft_.add(std::move(policy));
        }
        Table rest;
        for (const SetkeySa& sa : file_.sas) {
            if (!sa.used) {
                rest.remark({sa.place, sa.shown, "no policy was found that has it", Effect::loss});
            }
        }
        draft_.add(std::move(rest));
    }

   private:
    void add_defaults() {
        Table policies("[policies]");
        policies.say("setkey leaves alone what no policy fits");
        policies.set("default", "BYPASS");
        if (broad_) {
            policies.say(
                "There, too, neighbour discovery, ICMPv6's errors and IKE were no exceptions; strike the next "
                "line to be told which policies lock them out");
            policies.set("lockout", "accepted");
        }
        draft_.add(std::move(policies));
    }

    /// Those that differ in one end's ports alone are one: an SA belongs to one policy.
    std::vector<SetkeyPolicy> merged(const std::vector<std::size_t>& order) const {
        std::vector<SetkeyPolicy> all;
        for (const std::size_t index : order) {
            const SetkeyPolicy& next = file_.policies[index];
            const auto last = std::ranges::find(all.rbegin(), all.rend(), next.direction, &SetkeyPolicy::direction);
            if (last == all.rend() || !merge(*last, next)) {
                all.push_back(next);
            }
        }
        return all;
    }

    static bool merge(SetkeyPolicy& into, const SetkeyPolicy& from) {
        const auto terms = [](const SetkeyPolicy& each) {
            return std::tie(each.source.prefix, each.destination.prefix, each.protocol, each.icmp, each.action,
                            each.rules);
        };
        const bool sources = into.source.port == from.source.port;
        if (terms(into) != terms(from) || (!sources && into.destination.port != from.destination.port)) {
            return false;
        }
        std::string& port = sources ? into.destination.port : into.source.port;
        const std::string& more = sources ? from.destination.port : from.source.port;
        port = port.empty() || more.empty() ? "" : fmt::format("{},{}", port, more);
        return true;
    }

    /// What is passed on meets no policy here. That is what a policy to let it pass says, and packets from one host
    /// to another are not passed on by either.
    [[nodiscard]] bool is_needless(const SetkeyPolicy& forwarding) const {
        const bool hosts =
            forwarding.destination.prefix.length == forwarding.destination.prefix.address.bits() &&
            std::ranges::all_of(forwarding.rules, [](const SetkeyRule& rule) { return rule.mode == "transport"; });
        return forwarding.action == "none" ||
               (hosts && std::ranges::any_of(file_.policies, [&](const SetkeyPolicy& each) {
                    return each.direction == "in" && each.source.prefix == forwarding.source.prefix &&
                           each.destination.prefix == forwarding.destination.prefix &&
                           each.protocol == forwarding.protocol && each.action == forwarding.action &&
                           each.rules == forwarding.rules;
                }));
    }

    void add(const SetkeyPolicy& policy, std::vector<Table>& into) {
        if (policy.direction == "fwd" || policy.action == "entrust") {
            const bool forwarding = policy.direction == "fwd";
            into.emplace_back().remark(
                {policy.place, policy.shown,
                 forwarding ? "policies are for in and out" : "sockets have no policies of their own",
                 forwarding && is_needless(policy) ? Effect::harmless : Effect::loss});
            return;
        }
        const bool in = policy.direction == "in";
        const Terms terms = terms_of(policy, in);
        if (!terms.lost.empty() && policy.action == "none") {
            into.emplace_back().remark(
                {policy.place, policy.shown, terms.lost + ": what it lets pass can't be said", Effect::loss});
            return;
        }
        for (const std::string& protocol : terms.protocols) {
            Table table("[[policy]]");
            table.set("name", draft_.name(fmt::format("{}-{}", policy.direction, policy.place.line), "policy"));
            table.set("direction", policy.direction);
            table.set("local", std::vector{print((in ? policy.destination : policy.source).prefix)});
            table.set("remote", std::vector{print((in ? policy.source : policy.destination).prefix)});
            if (!terms.lost.empty()) {
                table.remark({policy.place, policy.shown, terms.lost + ": all are meant", Effect::loss});
            }
            set_terms(policy, terms, protocol, table);
            set_disposition(policy, in, table);
            into.push_back(std::move(table));
        }
    }

    /// Upper-layer protocols and ports as [[policy]] has them.
    struct Terms {
        std::vector<std::string> protocols;  ///< empty ones: any
        std::vector<std::string> local_ports = {};
        std::vector<std::string> remote_ports = {};
        std::string lost = {};  ///< what can't be said
    };

    Terms terms_of(const SetkeyPolicy& policy, bool in) {
        static constexpr std::array<std::string_view, 10> kWithPorts{"tcp", "udp", "sctp", "dccp", "udplite",
                                                                     "6",   "17",  "132",  "33",   "136"};
        Terms terms;
        const std::string& named = policy.protocol;
        // net/key/af_key.c, pfkey_proto_to_xfrm: 255 is any, and to the kernel 0 is.
        const bool any = named == "any" || named == "255" || named == "ip" || named == "hopopt" || named == "0";
        const bool numbered = all_digits(named) && named.size() <= 3 && std::stoi(named) < 256;
        std::string protocol = any ? "" : named == "icmp6" ? "ipv6-icmp" : named == "ip4" ? "4" : named;
        if (!protocol.empty() && protocol == named && !numbered && !surroundings_.has_protocol(named)) {
            terms.lost = fmt::format("{} is no protocol of this host", named);
            protocol.clear();
        }
        const bool ported = !policy.source.port.empty() || !policy.destination.port.empty();
        terms.protocols = {protocol};
        if (ported && any) {
            terms.protocols = {"tcp", "udp"};
        } else if (ported && terms.lost.empty() && std::ranges::find(kWithPorts, protocol) == kWithPorts.end()) {
            terms.lost = fmt::format("{} has no ports", named);
        }
        if (terms.lost.empty()) {
            terms.local_ports = ports_of((in ? policy.destination : policy.source).port, terms.lost);
            terms.remote_ports = ports_of((in ? policy.source : policy.destination).port, terms.lost);
        }
        return terms;
    }

    std::vector<std::string> ports_of(const std::string& theirs, std::string& lost) {
        std::vector<std::string> ports;
        for (const std::string_view piece : pieces(theirs, ',')) {
            std::string port(piece);
            if (const auto known = all_digits(port) ? std::nullopt : surroundings_.port(port)) {
                port = fmt::format("{}", *known);
            }
            if (port == "0") {
                return {};
            }
            if (!all_digits(port) || port.size() > 5 || std::stoi(port) > 0xffff) {
                lost = fmt::format("{} is no port of this host", port);
                return {};
            }
            ports.push_back(std::move(port));
        }
        return ports;
    }

    void set_terms(const SetkeyPolicy& policy, const Terms& terms, const std::string& protocol, Table& table) {
        static constexpr std::array<std::string_view, 5> kVital{"", "udp", "17", "ipv6-icmp", "58"};
        broad_ = broad_ || (policy.action != "none" && std::ranges::find(kVital, protocol) != kVital.end());
        if (terms.protocols.size() > 1 && protocol == terms.protocols.front()) {
            table.remark(
                {policy.place, policy.shown, "ports are of TCP and of UDP here, of no other protocol", Effect::loss});
        }
        if (!protocol.empty()) {
            table.set("protocol", protocol);
        }
        if (!protocol.empty() && !policy.icmp.empty()) {
            std::string type = policy.icmp;
            std::ranges::replace(type, ',', '/');
            table.set("icmp", std::vector{type});
        }
        if (!terms.local_ports.empty()) {
            table.set("local_ports", terms.local_ports);
        }
        if (!terms.remote_ports.empty()) {
            table.set("remote_ports", terms.remote_ports);
        }
    }

    void set_disposition(const SetkeyPolicy& policy, bool in, Table& table) {
        if (policy.action != "ipsec") {
            table.set("disposition", policy.action == "none" ? "bypass" : "discard");
            return;
        }
        std::string why = policy.rules.size() == 1 ? "" : "a policy has ESP or AH, and not both";
        SetkeySa* const sa = why.empty() ? find(policy, why) : nullptr;
        const auto& remote = (in ? policy.source : policy.destination).prefix;
        if (sa != nullptr && policy.rules.front().mode == "transport" && remote.length != remote.address.bits()) {
            why = "with manual keys the remote end is one host";
        }
        if (!why.empty() || sa == nullptr || !set_protection(policy.rules.front(), *sa, in, table, why)) {
            table.remark({policy.place, policy.shown, fmt::format("{}; until it is protected, it is discarded", why),
                          Effect::loss});
            table.set("disposition", "discard");
            return;
        }
        if (policy.rules.front().level == "use") {
            table.remark({policy.place, policy.shown, "what is not protected is no longer accepted", Effect::loss});
        }
    }

    /// Of several, the last, as the kernel has it.
    SetkeySa* find(const SetkeyPolicy& policy, std::string& why) {
        const SetkeyRule& rule = policy.rules.front();
        SetkeySa* found = nullptr;
        for (SetkeySa& sa : file_.sas) {
            const bool mode = sa.mode == "any" || sa.mode == rule.mode;
            const bool id = rule.reqid == 0 || rule.reqid == sa.reqid;
            const bool ends = rule.mode == "tunnel" ? rule.source == sa.source && rule.destination == sa.destination
                                                    : covers(policy.source.prefix, sa.source) &&
                                                          covers(policy.destination.prefix, sa.destination);
            found = sa.protocol == rule.protocol && mode && id && ends ? &sa : found;
        }
        why = found == nullptr ? "no \"add\" was found for it" : "";
        return found;
    }

    /// The halves that keysluice has of an SA; null: it is without, or `why` says what is wrong.
    struct Halves {
        const Algorithm* integrity = nullptr;
        const Algorithm* encryption = nullptr;
        std::string_view why = {};
    };

    static Halves halves_of(const SetkeyRule& rule, const SetkeySa& sa) {
        const bool esp = sa.protocol == "esp";
        const bool encrypted = sa.encryption.present && sa.encryption.name != "null";
        const bool authenticated = sa.authentication.present && sa.authentication.name != "null";
        Halves halves{.integrity = authenticated ? known(kIntegrity, sa.authentication) : nullptr,
                      .encryption = encrypted ? known(kEncryption, sa.encryption) : nullptr};
        if ((!esp && sa.protocol != "ah") || (rule.mode != "transport" && rule.mode != "tunnel")) {
            halves.why = "it is neither ESP nor AH, in transport or tunnel mode";
        } else if (authenticated != (halves.integrity != nullptr) || encrypted != (halves.encryption != nullptr)) {
            halves.why = "an algorithm is not there, or its key has another length";
        } else if (!authenticated && (!encrypted || !esp)) {
            halves.why = "there is nothing that protects it";
        } else if (encrypted && (!esp || (authenticated && halves.encryption->ours == "aes-gcm"))) {
            halves.why = "AH does not encrypt, and AES-GCM stands alone";
        } else if (sa.spi < 256) {
            halves.why = "SPIs below 256 are reserved (RFC 4303 section 2.1)";
        }
        return halves;
    }

    /// False, with the reason, where keysluice lacks something that the SA has.
    bool set_protection(const SetkeyRule& rule, SetkeySa& sa, bool in, Table& table, std::string& why) {
        const auto [integrity, encryption, fault] = halves_of(rule, sa);
        const bool taken = std::exchange(sa.used, true);
        if (!fault.empty() || taken) {
            why = taken ? "another policy has its SA, and each needs its own" : fault;
            return false;
        }
        table.set("disposition", "protect");
        table.set("ipsec", sa.protocol);
        table.set("mode", rule.mode);
        if (rule.mode == "tunnel") {
            table.set("tunnel_local", (in ? sa.destination : sa.source).text());
            table.set("tunnel_remote", (in ? sa.source : sa.destination).text());
        }
        table.set("spi", fmt::format("{}", sa.spi));
        name_keys(sa, integrity, encryption);
        if (integrity != nullptr) {
            table.set("integrity", integrity->ours);
            table.set("integrity_key", sa.keys.front());
        }
        if (encryption != nullptr) {
            table.set("confidentiality", encryption->ours);
            table.set("confidentiality_key", sa.keys.back());
        }
        comment_on(sa, table);
        return true;
    }

    void name_keys(SetkeySa& sa, const Algorithm* integrity, const Algorithm* encryption) {
        const auto add = [&](const Algorithm* algorithm, const SetkeyAlgorithm& source, std::string_view what) {
            if (algorithm == nullptr) {
                return;
            }
            sa.keys.push_back(draft_.name(fmt::format("{}-{}-{}", sa.protocol, sa.spi, what), "key"));
            if (wishes_.keys) {
                draft_.add(KeyFile{sa.keys.back() + ".key", key_file(algorithm->kind, source)});
            }
        };
        add(integrity, sa.authentication, "integrity");
        add(encryption, sa.encryption, "confidentiality");
    }

    void comment_on(const SetkeySa& sa, Table& table) const {
        if (!wishes_.keys) {
            table.remark(
                {sa.place, sa.shown,
                 fmt::format("its keys belong into files of /etc/keysluice/keys.d, {}.key{}: import with --keys",
                             sa.keys.front(), sa.keys.size() > 1 ? " and " + sa.keys.back() + ".key" : ""),
                 Effect::loss});
        }
        if (sa.authentication.name == "hmac-sha256" || sa.authentication.name == "hmac-sha2-256") {
            // net/xfrm/xfrm_algo.c, icv_truncbits, which is what PF_KEY gets.
            table.remark(
                {sa.place, sa.shown,
                 "Linux cut HMAC-SHA-256 to 96 bits for setkey, and it is 128 here (RFC 4868): change the other "
                 "end, too",
                 Effect::loss});
        }
        for (const std::string& extension : sa.extensions) {
            table.remark({sa.place, sa.shown, fmt::format("{} can't be said", extension), Effect::loss});
        }
    }

    SetkeyFile file_;
    Draft& draft_;
    Surroundings& surroundings_;
    const Wishes& wishes_;
    bool broad_ = false;  ///< something stands for protocols that ND and IKE are of
};

}  // namespace

Result<Imported> import_setkey(const SourcePtr& source, Surroundings& surroundings, const Wishes& wishes) {
    auto file = read_setkey(*source);
    if (!file) {
        return pass_on(std::move(file));
    }
    Draft draft(source->name());
    Translation(*std::move(file), draft, surroundings, wishes).add_all();
    return std::move(draft).finish();
}

}  // namespace keysluice::importer
