
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "daemon/control/all_in_one.hpp"
#include "daemon/control/client.hpp"
#include "daemon/control/control.hpp"
#include "daemon/control/demo_backend.hpp"
#include "daemon/control/doubts.hpp"
#include "daemon/control/explain.hpp"
#include "daemon/control/ike_kernel.hpp"
#include "daemon/control/ike_loading.hpp"
#include "daemon/control/plaintext.hpp"
#include "daemon/control/policy_checks.hpp"
#include "daemon/control/policy_files.hpp"
#include "daemon/control/preparation.hpp"
#include "daemon/control/serve_options.hpp"
#include "daemon/control/stapling.hpp"
#include "daemon/keeper/children.hpp"
#include "dbus/bus_thread.hpp"

using namespace keysluice;
using namespace keysluice::control;

namespace {

struct Options {
    std::string config = "/etc/keysluice/keysluice.toml";
    bool all_in_one = false;
    bool check = false;
    bool without_keys = false;
    bool status = false;
    bool json = false;
    bool null_kernel = false;
    std::string demo_backend;
    std::string reason;
    ServeOptions serve;
};

int complain(const Diagnostics& diagnostics) {
    for (const Diagnostic& diagnostic : diagnostics) {
        std::fprintf(stderr, "%s\n", to_string(diagnostic).c_str());
    }
    return diagnostics.empty() ? 0 : 1;
}

/// What the kernel lacks for IKE: not the configuration's fault.
void describe_kernel(const Configuration& configuration) {
    SystemRandom random;
    for (const Error& missing :
         configuration.ike.connections.empty() ? std::vector<Error>{} : look_for_missing(random)) {
        std::fprintf(stderr, "note: IKE: %s\n", missing.sentence.c_str());
    }
}

/// The working set of policies, where there are any.
PolicyFindings look_at_policies(const std::string& file, const Configuration& configuration) {
    const auto policies = read_policy_files(file);
    if (!policies) {
        return {.wrong = policies.error(), .warnings = {}};
    }
    return policies->policies.empty() ? PolicyFindings() : check_policies(*policies, configuration);
}

int print_explanation(const std::string& code) {
    const auto text = explain(code);
    if (!text) {
        std::fprintf(stderr, "%s\n", text.error().sentence.c_str());
        return 1;
    }
    std::fputs(text->c_str(), stdout);
    return 0;
}

std::unique_ptr<Publication> publish(Loop& loop, FrontDesk& desk, const std::string& address) {
    return std::make_unique<bus::BusThread>(loop, desk, address);
}

int run(const Options& options) {
    const char* directory = std::getenv("CREDENTIALS_DIRECTORY");
    const std::string credentials = directory == nullptr ? "" : directory;
    auto configuration = read_configuration(options.config, credentials);
    if (!configuration) {
        complain(configuration.error());
        return options.all_in_one || options.check || options.status ? 1 : kExitConfiguration;
    }
    choose_engines(*configuration);
    if (options.status) {
        return print_status(configuration->daemon.runtime_directory, options.json);
    }
    if (!options.demo_backend.empty()) {
        return run_demo_backend(options.demo_backend, *configuration);
    }
    Diagnostics wrong;
    const bool reads_keys = options.all_in_one || (options.check && !options.without_keys);
    if (reads_keys) {
        wrong = check_files(*configuration, std::chrono::system_clock::now());
    }
    Diagnostics warnings;
    std::ranges::move(load_ike(configuration->ike,
                               {.read_secrets = !options.without_keys,
                                .check_private_keys = reads_keys,
                                .look_up_peers = !options.check},
                               std::chrono::system_clock::now(), warnings),
                      std::back_inserter(wrong));
    std::ranges::move(doubts_about(*configuration), std::back_inserter(warnings));
    std::ranges::move(doubts_about_stapling(*configuration, std::chrono::system_clock::now()),
                      std::back_inserter(warnings));
    if (!options.all_in_one) {  // else the process that serves tells them
        complain(warnings);
    }
    if (!options.check) {
        const Diagnostics unknown = resolve_hosts(*configuration);
        wrong.insert(wrong.end(), unknown.begin(), unknown.end());
    }
    std::ranges::move(check_plaintext(*configuration, own_addresses()), std::back_inserter(wrong));
    if (options.check) {
        describe_kernel(*configuration);
        // A reload, which checks without keys, is not held up by policies that are being edited.
        PolicyFindings findings =
            options.without_keys ? PolicyFindings() : look_at_policies(options.config, *configuration);
        complain(findings.warnings);
        std::ranges::move(findings.wrong, std::back_inserter(wrong));
    }
    if (!wrong.empty() || options.check) {
        return complain(wrong);
    }
    return options.all_in_one
               ? become_keeper(options.config, *configuration, options.null_kernel)
               : serve(std::move(*configuration), {options.config, credentials},
                       options.null_kernel ? IkeService::Kernel::null : IkeService::Kernel::real, publish);
}

void add_serve(CLI::App& app, ServeOptions& serve) {
    CLI::Option* const ends = app.add_option("--serve", serve.ends,
                                             "one TLS service without a configuration file: where it listens and "
                                             "what it connects to (ADDRESS:PORT, PORT or unix:PATH)")
                                  ->type_name("LISTEN CONNECT")
                                  ->expected(2);
    const auto add = [&](const std::string& name, std::string& into, const std::string& what) {
        app.add_option(name, into, "with --serve: " + what)->needs(ends);
    };
    add("--mode", serve.mode, "server (TLS comes in) or client (TLS goes out)");
    add("--certificate", serve.certificate, "PEM file, leaf first");
    add("--private-key", serve.private_key, "its key: a PEM file, file:PATH or credential:NAME");
    add("--ca", serve.ca, "PEM file with whom to trust");
    add("--client-certificate", serve.client_certificate, "none, optional or required");
    add("--server-name", serve.server_name, "in client mode, the name that the server's certificate must carry");
    add("--runtime-directory", serve.runtime_directory, "where its sockets are");
}

/// The file that takes the place of one.
bool take_serve(Options& options) {
    auto file = write_configuration(options.serve);
    if (!file) {
        std::fprintf(stderr, "%s\n", file.error().sentence.c_str());
        return false;
    }
    options.config = *std::move(file);
    options.all_in_one = !options.check && !options.status;
    if (options.all_in_one) {
        std::fprintf(stderr, "the configuration is %s\n", options.config.c_str());
    }
    return true;
}

int read_command_line(int argc, char** argv) {
    CLI::App app{"keysluiced negotiates TLS and IKEv2 and lets the kernel carry the traffic."};
    Options options;
    auto* const config = app.add_option("--config", options.config, "configuration file")->capture_default_str();
    add_serve(app, options.serve);
    config->excludes("--serve");
    app.add_flag("--all-in-one", options.all_in_one, "run everything in the foreground, log to standard error");
    app.add_flag("--check", options.check, "read the configuration, report every error, exit 0 or 1");
    app.add_flag("--without-keys", options.without_keys,
                 "with --check: leave out private keys and pre-shared keys, which only the services may read");
    app.add_flag("--status", options.status, "ask the running service what it carries, and who carries it");
    app.add_flag("--json", options.json, "with --status: as JSON");
    app.add_flag("--null-kernel", options.null_kernel,
                 "for benchmarks: IKE negotiates, and nothing is installed in the kernel");
    app.add_option("--demo-backend", options.demo_backend,
                   "serve plaintext at this address: a status page for HTTP, an echo for everything else");
    const auto* explanation = app.add_option("--explain", options.reason,
                                             "say what a reason code means; without one, what each of them means")
                                  ->type_name("CODE")
                                  ->expected(0, 1);
    app.set_version_flag("--version", std::string(KEYSLUICE_VERSION));
    CLI11_PARSE(app, argc, argv);
    if (explanation->count() > 0) {
        return print_explanation(options.reason);
    }
    return !options.serve.ends.empty() && !take_serve(options) ? 1 : run(options);
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return read_command_line(argc, argv);
    } catch (const std::exception& problem) {
        std::fprintf(stderr, "%s\n", problem.what());
        return 1;
    }
}
