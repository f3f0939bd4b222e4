#include "cli/import/setkey_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace keysluice::importer {
namespace {

constexpr std::size_t kMostStatements = 4'096;
constexpr std::size_t kMostTokens = 256;
constexpr std::int64_t kPriorityStep = 0x40000000;

struct Token {
    std::string_view text;
    bool quoted = false;
};
using Tokens = std::vector<Token>;

std::string words_from(const Tokens& tokens) {
    std::string text;
    for (const Token& token : tokens) {
        text += (text.empty() ? "" : " ") + std::string(token.text);
    }
    return text;
}

std::optional<Prefix> prefix_of(std::string_view text) {
    const std::string_view address_text = next_piece(text, '/');
    const auto address = IpAddress::parse(address_text);
    if (!address) {
        return {};
    }
    const auto length = text.empty() ? std::optional<std::uint64_t>(address->bits()) : number(text);
    if (!length || *length > address->bits()) {
        return {};
    }
    // setkey takes an address with a length, and forgets what lies behind it.
    const Bytes octets = address->octets();
    std::vector<std::uint8_t> masked(octets.begin(), octets.end());
    for (std::size_t bit = *length; bit < address->bits(); ++bit) {
        masked[bit / 8] = static_cast<std::uint8_t>(masked[bit / 8] & ~(0x80U >> (bit % 8)));
    }
    const auto first = IpAddress::from_octets(masked);
    return first ? std::optional(Prefix{*first, static_cast<std::uint8_t>(*length)}) : std::nullopt;
}

/// Takes tokens from the front of one statement.
class Statement {
   public:
    Statement(Tokens tokens, Place place) : tokens_(std::move(tokens)), place_(std::move(place)) {}

    [[nodiscard]] bool done() const { return next_ >= tokens_.size(); }
    [[nodiscard]] std::string_view peek() const { return done() ? std::string_view() : tokens_[next_].text; }
    Token take() { return done() ? Token() : tokens_[next_++]; }
    [[nodiscard]] bool key_follows() const {
        return !done() && (tokens_[next_].quoted || tokens_[next_].text.starts_with("0x"));
    }
    /// -4, -6 and -n: addresses say their family, and are never looked up.
    void skip_flags() {
        while (peek() == "-4" || peek() == "-6" || peek() == "-n" || peek() == "-46n") {
            static_cast<void>(take());
        }
    }
    [[nodiscard]] const Place& place() const { return place_; }
    [[nodiscard]] const Tokens& tokens() const { return tokens_; }
    [[nodiscard]] Error malformed(std::string_view expected) const {
        return {"import-malformed", fmt::format("{}: {} (the statement is not repeated)", print(place_), expected)};
    }

   private:
    Tokens tokens_;
    Place place_;
    std::size_t next_ = 0;
};

/// Splits into statements; each ends with ";".
class Splitter {
   public:
    explicit Splitter(const Source& source) : rest_(source.view()), name_(source.name()) {}

    Result<std::vector<Statement>> split() {
        std::vector<Statement> statements;
        Tokens tokens;
        Place begin{name_, 1};
        while (skip_blank()) {
            begin = tokens.empty() ? Place{name_, line_} : begin;
            if (rest_.front() == ';') {
                rest_.remove_prefix(1);
                if (!tokens.empty()) {
                    statements.emplace_back(std::exchange(tokens, {}), begin);
                }
            } else {
                tokens.push_back(take());
            }
            if (statements.size() > kMostStatements || tokens.size() > kMostTokens) {
                return fail("import-too-large",
                            fmt::format("{}: more than {} statements, or more than {} words in one", print(begin),
                                        kMostStatements, kMostTokens));
            }
        }
        if (!tokens.empty()) {
            return fail("import-malformed", fmt::format("{}: this statement does not end with \";\"", print(begin)));
        }
        return statements;
    }

   private:
    bool skip_blank() {
        while (!rest_.empty()) {
            const char c = rest_.front();
            if (c == '#') {
                rest_.remove_prefix(std::min(rest_.find('\n'), rest_.size()));
            } else if (c == '\n' || c == ' ' || c == '\t' || c == '\r') {
                line_ += c == '\n' ? 1 : 0;
                rest_.remove_prefix(1);
            } else {
                return true;
            }
        }
        return false;
    }

    Token take() {
        const bool quoted = rest_.starts_with('"');
        if (quoted) {
            rest_.remove_prefix(1);
            const std::string_view text = next_piece(rest_, '"');
            line_ += static_cast<unsigned>(std::ranges::count(text, '\n'));
            return {text, true};
        }
        const std::string_view text = rest_.substr(0, rest_.find_first_of(" \t\r\n;\""));
        rest_.remove_prefix(text.size());
        return {text, false};
    }

    std::string_view rest_;
    std::string name_;
    unsigned line_ = 1;
};

// ---- add

bool read_extension(Statement& statement, SetkeySa& sa) {
    const std::string option(statement.take().text);
    if (option == "-m") {
        sa.mode = lower(statement.take().text);
        return true;
    }
    if (option == "-u") {
        const auto reqid = number(statement.take().text);
        sa.reqid = reqid.value_or(0);
        return reqid.has_value();
    }
    if (option == "-E" || option == "-A") {
        SetkeyAlgorithm& algorithm = option == "-E" ? sa.encryption : sa.authentication;
        algorithm.name = lower(statement.take().text);
        algorithm.present = true;
        if (algorithm.name == "null" && !statement.key_follows()) {
            return true;  // which has no key
        }
        const Token key = statement.take();
        algorithm.key = key.text;
        algorithm.quoted = key.quoted;
        return true;
    }
    static constexpr std::array<std::string_view, 8> kWithValue{"-r", "-f", "-lh", "-ls", "-bh", "-bs", "-ctx", "-C"};
    if (std::ranges::find(kWithValue, option) == kWithValue.end()) {
        return false;
    }
    sa.extensions.push_back(option);
    static_cast<void>(statement.take());
    static_cast<void>(option == "-ctx" ? statement.take() : Token());
    return true;
}

Result<SetkeySa> read_sa(Statement& statement) {
    SetkeySa sa;
    sa.place = statement.place();
    statement.skip_flags();
    const std::string_view from = statement.take().text;
    const std::string_view to = statement.take().text;
    const auto source = IpAddress::parse(from.substr(0, from.find('[')));
    const auto destination = IpAddress::parse(to.substr(0, to.find('[')));
    sa.protocol = lower(statement.take().text);
    const auto spi = number(statement.take().text);
    if (!source || !destination || !spi || *spi > 0xffffffff) {
        return std::unexpected(
            statement.malformed("expected \"add SOURCE DESTINATION PROTOCOL SPI …\" with addresses"));
    }
    sa.source = *source;
    sa.destination = *destination;
    sa.spi = *spi;
    sa.shown = fmt::format("add {} {} {} {} … (keys are not repeated)", from, to, sa.protocol, *spi);
    while (!statement.done()) {
        if (!read_extension(statement, sa)) {
            return std::unexpected(statement.malformed("an extension or an algorithm is not as setkey(8) has it"));
        }
    }
    return sa;
}

// ---- spdadd

std::optional<SetkeyRange> read_range(std::string_view text) {
    const std::string_view addresses = next_piece(text, '[');
    const auto prefix = prefix_of(addresses);
    if (!prefix || (!text.empty() && !text.ends_with(']'))) {
        return {};
    }
    text.remove_suffix(text.empty() ? 0 : 1);
    return SetkeyRange{*prefix, text == "any" ? "" : std::string(text)};
}

std::optional<SetkeyRule> read_rule(std::string_view text) {
    SetkeyRule rule;
    rule.protocol = lower(next_piece(text, '/'));
    rule.mode = lower(next_piece(text, '/'));
    std::string_view ends = next_piece(text, '/');
    rule.level = lower(next_piece(text, ':'));
    if (!text.empty()) {
        const auto reqid = number(text);
        if (!reqid) {
            return {};
        }
        rule.reqid = *reqid;
    }
    if (!ends.empty()) {
        rule.source = IpAddress::parse(next_piece(ends, '-'));
        rule.destination = IpAddress::parse(ends);
        if (!rule.source || !rule.destination) {
            return {};
        }
    }
    const bool complete = rule.mode != "tunnel" || rule.source.has_value();
    return complete && !rule.protocol.empty() ? std::optional(rule) : std::nullopt;
}

/// "prio high - 5", "prio def", "prio 12"
bool read_priority(Statement& statement, std::int64_t& priority) {
    if (statement.peek() != "prio" && statement.peek() != "priority") {
        return true;
    }
    static_cast<void>(statement.take());
    std::string_view word = statement.take().text;
    const bool named = word == "low" || word == "def" || word == "high";
    priority = word == "low" ? -kPriorityStep : word == "high" ? kPriorityStep : 0;
    std::int64_t sign = 1;
    if (named) {
        if (statement.peek() != "+" && statement.peek() != "-") {
            return true;
        }
        sign = statement.take().text == "-" ? -1 : 1;
        word = statement.take().text;
    } else if (word.starts_with('-')) {
        sign = -1;
        word.remove_prefix(1);
    }
    const auto value = number(word);
    priority += value && *value < 0x80000000 ? sign * static_cast<std::int64_t>(*value) : 0;
    return value && *value < 0x80000000;
}

Result<SetkeyPolicy> read_policy(Statement& statement) {
    constexpr std::string_view kExpected =
        "expected \"spdadd SOURCE DESTINATION PROTOCOL -P DIRECTION …\" with addresses";
    SetkeyPolicy policy;
    policy.place = statement.place();
    policy.shown = words_from(statement.tokens());
    statement.skip_flags();
    const auto source = read_range(statement.take().text);
    const auto destination = read_range(statement.take().text);
    policy.protocol = lower(statement.take().text);
    if (statement.peek() != "-P") {
        policy.icmp = std::string(statement.take().text);
    }
    if (!source || !destination || statement.take().text != "-P") {
        return std::unexpected(statement.malformed(kExpected));
    }
    policy.source = *source;
    policy.destination = *destination;
    policy.direction = lower(statement.take().text);
    const bool known = policy.direction == "in" || policy.direction == "out" || policy.direction == "fwd";
    if (!known || !read_priority(statement, policy.priority)) {
        return std::unexpected(statement.malformed(kExpected));
    }
    policy.action = lower(statement.take().text);
    while (!statement.done()) {
        const auto rule = read_rule(statement.take().text);
        if (!rule) {
            return std::unexpected(statement.malformed("expected \"esp/transport//require\" or the like"));
        }
        policy.rules.push_back(*rule);
    }
    static constexpr std::array<std::string_view, 4> kActions{"discard", "none", "ipsec", "entrust"};
    const bool action = std::ranges::find(kActions, policy.action) != kActions.end();
    if (!action || (policy.action == "ipsec") == policy.rules.empty()) {
        return std::unexpected(statement.malformed(kExpected));
    }
    return policy;
}

Result<void> read_statement(Statement& statement, SetkeyFile& file) {
    const std::string command = lower(statement.take().text);
    if (command == "add") {
        auto sa = read_sa(statement);
        if (!sa) {
            return pass_on(std::move(sa));
        }
        file.sas.push_back(*std::move(sa));
        return {};
    }
    if (command == "spdadd") {
        auto policy = read_policy(statement);
        if (!policy) {
            return pass_on(std::move(policy));
        }
        file.policies.push_back(*std::move(policy));
        return {};
    }
    static constexpr auto kOthers = std::to_array<Known>({
        {"flush", "", Effect::harmless, "keysluice takes out of the kernel what it has put there"},
        {"spdflush", "", Effect::harmless, "keysluice takes out of the kernel what it has put there"},
        {"dump", "", Effect::harmless, "only shows something"},
        {"spddump", "", Effect::harmless, "only shows something"},
        {"get", "", Effect::harmless, "only shows something"},
        {"delete", "", Effect::loss, "a configuration says what is there"},
        {"deleteall", "", Effect::loss, "a configuration says what is there"},
        {"spddelete", "", Effect::loss, "a configuration says what is there"},
        {"spdupdate", "", Effect::loss, "a configuration says what is there"},
    });
    const auto* const other = std::ranges::find(kOthers, command, &Known::key);
    if (other == kOthers.end()) {
        return std::unexpected(statement.malformed("there is no such statement"));
    }
    file.remarks.push_back({statement.place(), command, std::string(other->why), other->effect});
    return {};
}

}  // namespace

Result<SetkeyFile> read_setkey(const Source& source) {
    auto statements = Splitter(source).split();
    if (!statements) {
        return pass_on(std::move(statements));
    }
    SetkeyFile file;
    for (Statement& statement : *statements) {
        if (auto read = read_statement(statement, file); !read) {
            return pass_on(std::move(read));
        }
    }
    return file;
}

}  // namespace keysluice::importer
