#include "cli/import/stunnel_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace keysluice::importer {
namespace {

constexpr std::size_t kMostSections = 1'024;

constexpr std::array<std::string_view, 4> kSecrets{"ticketkeysecret", "ticketmacsecret", "protocolpassword",
                                                   "enginectrl"};

class Reader {
   public:
    explicit Reader(Inclusion& inclusion) : inclusion_(inclusion) { sections_.emplace_back(); }

    Result<void> read(const Source& source, unsigned depth) {
        std::string_view rest = source.view();
        if (rest.starts_with("\xef\xbb\xbf")) {  // stunnel(8): a byte order mark says that it is UTF-8
            rest.remove_prefix(3);
        }
        for (unsigned number = 1; !rest.empty(); ++number) {
            auto read = read_line(trim(next_piece(rest, '\n')), {source.name(), number}, source, depth);
            if (!read) {
                return read;
            }
        }
        return {};
    }

    std::vector<StunnelSection> take() { return std::move(sections_); }

   private:
    Result<void> read_line(std::string_view line, const Place& place, const Source& source, unsigned depth) {
        if (line.empty() || line.starts_with(';') || line.starts_with('#')) {
            return {};
        }
        if (line.starts_with('[') && line.ends_with(']')) {
            sections_.push_back({std::string(trim(line.substr(1, line.size() - 2))), place, {}});
            if (sections_.size() > kMostSections) {
                return fail("import-too-large",
                            fmt::format("{}: more than {} sections", print(place), kMostSections));
            }
            return {};
        }
        const auto equals = line.find('=');
        const std::string key = lower(trim(line.substr(0, equals)));
        if (equals == std::string_view::npos || key.empty()) {
            return fail("import-malformed",
                        fmt::format("{}: expected \"[service]\" or \"option = value\"", print(place)));
        }
        const std::string_view value = trim(line.substr(equals + 1));
        if (key == "include") {
            return include(std::string(value), source, depth);
        }
        const bool secret = std::ranges::find(kSecrets, key) != kSecrets.end();
        sections_.back().options.push_back(
            {key, value, place,
             secret ? fmt::format("{} = (not repeated)", trim(line.substr(0, equals))) : std::string(line)});
        return {};
    }

    /// "include all configuration file parts located in DIRECTORY", where they stand.
    Result<void> include(const std::string& folder, const Source& source, unsigned depth) {
        const auto files = inclusion_.open(folder, source, depth);
        if (!files) {
            return std::unexpected(files.error());
        }
        for (const SourcePtr& file : *files) {
            if (auto inner = read(*file, depth + 1); !inner) {
                return inner;
            }
        }
        return {};
    }

    Inclusion& inclusion_;
    std::vector<StunnelSection> sections_;
};

constexpr Effect kHarmless = Effect::harmless;
constexpr Effect kLoss = Effect::loss;

constexpr auto kOptions = std::to_array<Known>({
    {"chroot", "", kHarmless, "keysluice's processes confine themselves"},
    {"setuid", "", kHarmless, "keysluice's units have users of their own"},
    {"setgid", "", kHarmless, "keysluice's units have users of their own"},
    {"pid", "", kHarmless, "systemd knows the processes"},
    {"foreground", "", kHarmless, "systemd runs the processes"},
    {"debug", "", kHarmless, "log_level in [daemon] says what is logged"},
    {"output", "", kHarmless, "the journal has the log"},
    {"log", "", kHarmless, "the journal has the log"},
    {"logid", "", kHarmless, "the log names connections in its own way"},
    {"syslog", "", kHarmless, "the journal has the log"},
    {"service", "", kHarmless, "the log has keysluice's own names"},
    {"taskbar", "", kHarmless, "there is none"},
    {"iconactive", "", kHarmless, "there is none"},
    {"iconerror", "", kHarmless, "there is none"},
    {"iconidle", "", kHarmless, "there is none"},
    {"egd", "", kHarmless, "the kernel has randomness"},
    {"rndbytes", "", kHarmless, "the kernel has randomness"},
    {"rndfile", "", kHarmless, "the kernel has randomness"},
    {"rndoverwrite", "", kHarmless, "the kernel has randomness"},
    {"stack", "", kHarmless, "there are no threads for connections"},
    {"delay", "", kHarmless, "names in connect are looked up when they are needed"},
    {"reset", "", kHarmless, "an end that was not said is always a reset"},
    {"renegotiation", "no", kHarmless, "there is no renegotiation"},
    {"renegotiation", "", kLoss, "there is no renegotiation"},
    {"securitylevel", "0|1|2", kHarmless, "what keysluice allows is above that"},
    {"securitylevel", "", kLoss, "say ciphers, ciphersuites and key_exchange_groups instead"},
    {"fips", "no", kHarmless, "as OpenSSL is set up"},
    {"fips", "", kLoss, "the FIPS provider is switched on in OpenSSL's own configuration"},
    {"compression", "", kLoss, "TLS is not compressed: that gives secrets away"},
    {"engine", "", kLoss, "private keys are files or systemd's credentials"},
    {"enginectrl", "", kLoss, "private keys are files or systemd's credentials"},
    {"enginedefault", "", kLoss, "private keys are files or systemd's credentials"},
    {"engineid", "", kLoss, "private keys are files or systemd's credentials"},
    {"enginenum", "", kLoss, "private keys are files or systemd's credentials"},
    {"caengine", "", kLoss, "ca is a file"},
    {"crlpath", "", kLoss, "crl is a list of files, and takes no folder: until it names them, nothing is revoked"},
    {"config", "", kLoss, "keysluice passes nothing on to OpenSSL's configuration"},
    {"execargs", "", kLoss, "keysluice starts no programs"},
    {"pty", "", kLoss, "keysluice starts no programs"},
    {"failover", "rr", kHarmless, "targets take turns"},
    {"failover", "prio", kLoss, "targets take turns; none comes first"},
    {"ident", "", kLoss, "nobody is asked by the IDENT protocol"},
    {"libwrap", "no", kHarmless, "as here"},
    {"libwrap", "", kLoss, "hosts.allow and hosts.deny are not looked at: have a firewall do it"},
    {"local", "", kLoss, "the kernel chooses the address that connections come from"},
    {"ocsp", "", kLoss, "nobody is asked whether a peer is revoked: set crl"},
    {"ocspaia", "no", kHarmless, "as here"},
    {"ocspaia", "", kLoss, "nobody is asked whether a peer is revoked: set crl"},
    {"ocspflag", "", kHarmless, "says more on OCSP alone"},
    {"ocspnonce", "", kHarmless, "says more on OCSP alone"},
    {"timeoutocsp", "", kHarmless, "says more on OCSP alone"},
    {"protocolauthentication", "", kLoss, "says more on protocol"},
    {"protocoldomain", "", kLoss, "says more on protocol"},
    {"protocolheader", "", kLoss, "says more on protocol"},
    {"protocolhost", "", kLoss, "says more on protocol"},
    {"protocolpassword", "", kLoss, "says more on protocol"},
    {"protocolusername", "", kLoss, "says more on protocol"},
    {"pskidentity", "", kLoss, "TLS with pre-shared keys is not there"},
    {"redirect", "", kLoss, "a client without a good certificate is refused"},
    {"retry", "no", kHarmless, "as here"},
    {"retry", "", kLoss, "a connection that fails is not tried again from the beginning"},
    {"sessioncachesize", "", kHarmless, "sessions are in tickets, and none is dropped for another"},
    {"sessiond", "", kLoss, "sessions are in tickets, which all engines of this host open, and no other host"},
    {"sessionresume", "yes", kHarmless, "as here"},
    {"ticketkeysecret", "", kLoss, "keysluice makes the keys of tickets itself and changes them"},
    {"ticketmacsecret", "", kLoss, "keysluice makes the keys of tickets itself and changes them"},
    {"socket", "a:so_reuseaddr=1|l:tcp_nodelay=1|r:tcp_nodelay=1", kHarmless, "so it is anyway"},
    {"socket", "", kLoss, "options of sockets can't be set"},
    {"transparent", "none|no", kHarmless, "as here"},
    {"transparent", "", kLoss, "the backend sees connections from this host; send_proxy tells it who the client is"},
});

constexpr auto kTranslated = std::to_array<std::string_view>({
    "accept",        "connect",      "client",         "cert",
    "key",           "cafile",       "capath",         "crlfile",
    "verify",        "verifychain",  "verifypeer",     "requirecert",
    "checkhost",     "checkip",      "checkemail",     "sni",
    "protocol",      "sslversion",   "sslversionmin",  "sslversionmax",
    "ciphers",       "ciphersuites", "curves",         "options",
    "timeoutbusy",   "timeoutclose", "timeoutconnect", "timeoutidle",
    "exec",          "psksecrets",   "transparent",    "sessioncachetimeout",
    "sessionresume",
});

}  // namespace

Result<std::vector<StunnelSection>> read_stunnel(const SourcePtr& source, Inclusion& inclusion) {
    Reader reader(inclusion);
    if (auto read = reader.read(*source, 0); !read) {
        return pass_on(std::move(read));
    }
    return reader.take();
}

std::span<const Known> stunnel_options() {
    return kOptions;
}

bool is_translated(std::string_view key) {
    return std::ranges::find(kTranslated, key) != kTranslated.end();
}

std::string_view why_impossible(std::string_view key, std::string_view value, bool client) {
    const std::string small = lower(value);
    if (key == "exec") {
        return "keysluice starts no programs: let systemd listen on a socket for this one, and connect to that";
    }
    if (key == "psksecrets") {
        return "TLS with pre-shared keys is not there: peers need certificates";
    }
    if (key == "transparent" && (small == "destination" || small == "both")) {
        return "where clients wanted to go is not asked: connect must name it";
    }
    if (key == "protocol" && (client || small != "proxy")) {
        return "keysluice speaks TLS from the first byte on (and, in server mode, the PROXY protocol)";
    }
    if ((key == "cert" || key == "key") &&
        (small.starts_with("pkcs11:") || small.ends_with(".p12") || small.ends_with(".pfx"))) {
        return "certificates and keys are files in PEM";
    }
    const bool old = small.starts_with("sslv") || small == "tlsv1" || small == "tlsv1.0" || small == "tlsv1.1";
    if (old && (key == "sslversion" || key == "sslversionmax")) {
        return "this version of TLS is broken, and not there";
    }
    return {};
}

}  // namespace keysluice::importer
