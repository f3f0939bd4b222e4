#include "daemon/control/reloader.hpp"

#include <utility>

#include "daemon/control/ike_loading.hpp"
#include "daemon/control/preparation.hpp"
#include "daemon/shared/log.hpp"

namespace keysluice::control {

Reloader::Reloader(Loop& loop, std::string file, std::string credentials, Use use, Ended ended)
    : file_(std::move(file)),
      credentials_(std::move(credentials)),
      use_(std::move(use)),
      ended_(std::move(ended)),
      thread_(loop, 1, 1) {}

void Reloader::reload(Outcome then) {
    if (then) {
        waiting_.push_back(std::move(then));
    }
    if (thread_.full()) {
        once_more_ = true;
    } else {
        begin();
    }
}

void Reloader::begin() {
    asked_ = std::exchange(waiting_, {});
    thread_.submit([this, file = file_, credentials = credentials_]() -> WorkerPool::Done {
        return [this, found = read(file, credentials)]() mutable { on_read(std::move(found)); };
    });
}

Reloader::Read Reloader::read(const std::string& file, const std::string& credentials) {
    Read read{.configuration = read_configuration(file, credentials), .warnings = {}};
    if (!read.configuration) {
        return read;
    }
    choose_engines(*read.configuration);
    Diagnostics wrong = load_ike(read.configuration->ike, {.check_private_keys = false, .look_up_peers = true},
                                 std::chrono::system_clock::now(), read.warnings);
    for (Diagnostic& unknown : resolve_hosts(*read.configuration)) {
        wrong.push_back(std::move(unknown));
    }
    if (!wrong.empty()) {
        read.configuration = std::unexpected(std::move(wrong));
    }
    return read;
}

void Reloader::on_read(Read read) {
    for (const Diagnostic& warning : read.warnings) {
        log_warning("{} ({})", to_string(warning), warning.reason);
    }
    std::string problem;
    if (read.configuration) {
        use_(*std::move(read.configuration));
    } else {
        problem = to_string(read.configuration.error().front());
        for (const Diagnostic& wrong : read.configuration.error()) {
            log_error("{} ({})", to_string(wrong), wrong.reason);
        }
        log_event(LogLevel::error, {.event = LogEvent::configuration_refused, .fields = {{"PROBLEM", problem}}},
                  "{} is not used: the configuration stays as it was", file_);
    }
    for (Outcome& then : std::exchange(asked_, {})) {
        then(read.configuration ? nullptr : &read.configuration.error());
    }
    if (std::exchange(once_more_, false)) {
        begin();
    } else {
        ended_(problem);
    }
}

}  // namespace keysluice::control
