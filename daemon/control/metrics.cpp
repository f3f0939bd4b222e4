#include "daemon/control/metrics.hpp"

#include <fmt/format.h>

#include <initializer_list>
#include <iterator>
#include <string_view>

#include "daemon/shared/counters.hpp"

namespace keysluice::control {
namespace {

struct Label {
    std::string_view name;
    std::string_view value;
};

class Writer {
   public:
    void family(std::string_view name, std::string_view type, std::string_view help) {
        fmt::format_to(std::back_inserter(text_), "# TYPE {0} {1}\n# HELP {0} {2}\n", name, type, help);
    }

    void sample(std::string_view name, std::initializer_list<Label> labels, std::uint64_t value) {
        text_ += name;
        char before = '{';
        for (const Label& label : labels) {
            text_ += before;
            text_ += label.name;
            text_ += "=\"";
            escape(label.value);
            text_ += '"';
            before = ',';
        }
        fmt::format_to(std::back_inserter(text_), "{} {}\n", labels.size() == 0 ? "" : "}", value);
    }

    [[nodiscard]] std::string finish() { return std::move(text_) + "# EOF\n"; }

   private:
    /// OpenMetrics 1.0, ABNF: an escaped character is `\n`, `\"` or `\\`.
    void escape(std::string_view value) {
        for (const char character : value) {
            if (character == '\n') {
                text_ += "\\n";
                continue;
            }
            if (character == '"' || character == '\\') {
                text_ += '\\';
            }
            text_ += character;
        }
    }

    std::string text_;
};

struct Family {
    std::string_view name;
    std::string_view type;
    std::string_view help;
    std::string_view suffix;  ///< of the sample: "_total" of a counter
};

struct Counted {
    std::string_view counter;  ///< a name of counter::, or what such names begin with
    std::string_view path;     ///< a label; empty: there is none
};

/// One family of all services, from one or two counters each.
void write_services(Writer& writer, const Metrics& metrics, const Family& family,
                    std::initializer_list<Counted> counters) {
    writer.family(family.name, family.type, family.help);
    const std::string name = fmt::format("{}{}", family.name, family.suffix);
    for (const auto& [service, counts] : metrics.services) {
        for (const Counted& each : counters) {
            const auto found = counts.find(std::string(each.counter));
            const std::uint64_t value = found == counts.end() ? 0 : found->second;
            if (each.path.empty()) {
                writer.sample(name, {{"service", service}}, value);
            } else {
                writer.sample(name, {{"service", service}, {"path", each.path}}, value);
            }
        }
    }
}

/// One family of all services, with a sample for each reason code that has been counted.
void write_reasons(Writer& writer, const Metrics& metrics, const Family& family, std::string_view prefix) {
    writer.family(family.name, family.type, family.help);
    const std::string name = fmt::format("{}{}", family.name, family.suffix);
    for (const auto& [service, counts] : metrics.services) {
        for (const auto& [counter, value] : counts) {
            if (counter.starts_with(prefix)) {
                writer.sample(
                    name, {{"service", service}, {"reason", std::string_view(counter).substr(prefix.size())}}, value);
            }
        }
    }
}

void write_ike(Writer& writer, const Metrics& metrics) {
    writer.family("keysluice_ike_sas", "gauge", "IKE SAs by state.");
    for (const auto& [state, count] : metrics.ike_sas) {
        writer.sample("keysluice_ike_sas", {{"state", state}}, count);
    }
    writer.family("keysluice_child_sas", "gauge", "CHILD SAs by who does ESP: the offload in force, and its device.");
    for (const auto& [where, count] : metrics.child_sas) {
        writer.sample("keysluice_child_sas", {{"offload", where.first}, {"device", where.second}}, count);
    }
}

void write_tls(Writer& writer, const Metrics& metrics) {
    write_services(
        writer, metrics,
        {"keysluice_tls_connections_active", "gauge", "TLS connections that stand, by who carries them.", ""},
        {{counter::kActiveKernel, "kernel"},
         {counter::kActiveUserspace, "userspace"},
         {counter::kActivePlaintext, "plaintext"}});
    write_services(writer, metrics, {"keysluice_tls_negotiating", "gauge", "TLS handshakes that are under way.", ""},
                   {{counter::kNegotiating, ""}});
    write_services(writer, metrics,
                   {"keysluice_tls_accepted", "counter", "Connections that were accepted.", "_total"},
                   {{counter::kAccepted, ""}});
    write_services(writer, metrics,
                   {"keysluice_tls_established", "counter",
                    "TLS connections that were established, by who carries them.", "_total"},
                   {{counter::kEstablishedKernel, "kernel"},
                    {counter::kEstablishedUserspace, "userspace"},
                    {counter::kEstablishedPlaintext, "plaintext"}});
    write_services(writer, metrics,
                   {"keysluice_tls_resumed", "counter",
                    "Of the established TLS connections those that resumed a session.", "_total"},
                   {{counter::kResumed, ""}});
    write_reasons(writer, metrics,
                  {"keysluice_tls_failed", "counter", "Connections that failed, by keysluice-reasons(7).", "_total"},
                  counter::kFailed);
    write_reasons(writer, metrics,
                  {"keysluice_tls_userspace", "counter",
                   "TLS connections that the kernel does not carry, by keysluice-reasons(7).", "_total"},
                  counter::kWhyUserspace);
}

}  // namespace

void Metrics::count_ike_sa(std::string_view state) {
    ++ike_sas[std::string(state)];
}

void Metrics::count_child_sa(std::string_view offload, std::string_view device) {
    ++child_sas[{std::string(offload), offload == "none" ? "" : std::string(device)}];
}

std::string to_open_metrics(const Metrics& metrics) {
    Writer writer;
    writer.family("keysluice_build", "info", "The version of the service.");
    writer.sample("keysluice_build_info", {{"version", metrics.version}}, 1);
    write_ike(writer, metrics);
    write_tls(writer, metrics);
    writer.family("keysluice_processes_silent", "gauge",
                  "Engines and relays that did not answer: what they have counted is missing.");
    writer.sample("keysluice_processes_silent", {}, metrics.silent);
    return writer.finish();
}

}  // namespace keysluice::control
