#include "daemon/keeper/children.hpp"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "daemon/shared/clock.hpp"
#include "daemon/shared/log.hpp"
#include "daemon/shared/signals.hpp"

namespace keysluice {

Children::~Children() {
    loop_.disarm(*this);
    for (const Child& child : children_) {
        if (child.pid > 0) {
            kill(child.pid, SIGKILL);
        }
    }
}

void Children::start(Program program) {
    Child& child = children_.emplace_back();
    child.program = std::move(program);
    spawn(child);
}

void Children::spawn(Child& child) {
    std::vector<char*> argv;
    argv.reserve(child.program.arguments.size() + 1);
    for (std::string& argument : child.program.arguments) {
        argv.push_back(argument.data());
    }
    argv.push_back(nullptr);
    if (child.program.shelf != nullptr) {
        child.program.shelf->read_all();
    }
    const pid_t parent = getpid();
    child.started = now();
    child.pid = fork();
    if (child.pid == 0) {
        restore_signals();
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (child.program.shelf != nullptr) {
            child.program.shelf->hand_over();
        }
        if (!child.program.speaks) {
            unsetenv("NOTIFY_SOCKET");
        }
        if (getppid() == parent) {
            execv(argv.front(), argv.data());
            log_error("{}: {}", argv.front(), std::strerror(errno));
        }
        _exit(127);
    }
    if (child.pid < 0) {
        log_error("{} can't be started: {}", child.program.name, std::strerror(errno));
        start_later(child);
    }
}

void Children::start_later(Child& child) {
    child.start_again = now() + kPause;
    arm_for_next_start();
}

void Children::arm_for_next_start() {
    const Child* next = nullptr;
    for (const Child& child : children_) {
        if (child.pid < 0 && (next == nullptr || child.start_again < next->start_again)) {
            next = &child;
        }
    }
    if (next != nullptr) {
        loop_.arm(*this, next->start_again);
    }
}

void Children::reap() {
    int wait_status = 0;
    pid_t pid = 0;
    while ((pid = waitpid(-1, &wait_status, WNOHANG)) > 0) {
        const auto child = std::ranges::find(children_, pid, &Child::pid);
        if (child != children_.end()) {
            child->pid = -1;
            on_exit(child, wait_status);
        }
    }
    if (stopping_ && std::ranges::none_of(children_, [](const Child& child) { return child.pid > 0; })) {
        loop_.stop();
    }
}

void Children::on_exit(std::list<Child>::iterator child, int wait_status) {
    if (stopping_) {
        return;
    }
    if (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == kExitConfiguration && child->program.essential) {
        status_ = 1;
        stop();
        return;
    }
    if (child->retiring) {
        log_info("{} has drained and ended", child->program.name);
        children_.erase(child);
        return;
    }
    if (WIFSIGNALED(wait_status)) {
        log_warning("{} was killed by signal {}; starting it again", child->program.name, WTERMSIG(wait_status));
    } else {
        log_warning("{} ended with status {}; starting it again", child->program.name, WEXITSTATUS(wait_status));
    }
    if (now() - child->started >= kShortLife) {
        spawn(*child);
        return;
    }
    start_later(*child);
}

void Children::replace(const std::string& name) {
    const auto child = std::ranges::find_if(
        children_, [&](const Child& one) { return one.program.name == name && !one.retiring && one.pid > 0; });
    if (child != children_.end() && !stopping_) {
        child->retiring = true;
        start(child->program);
    }
}

void Children::signal(const std::string& name, int number) {
    for (const Child& child : children_) {
        if (child.program.name == name && child.pid > 0) {
            kill(child.pid, number);
        }
    }
}

void Children::stop() {
    stopping_ = true;
    bool any = false;
    for (const Child& child : children_) {
        if (child.pid > 0) {
            any = true;
            kill(child.pid, SIGINT);
        }
    }
    if (!any) {
        loop_.stop();
        return;
    }
    loop_.arm(*this, now() + kGrace);
}

void Children::on_deadline() {
    if (stopping_) {
        log_warning("some processes did not end in time and are killed");
        loop_.stop();
        return;
    }
    const Instant at = now();
    for (Child& child : children_) {
        if (child.pid < 0 && child.start_again <= at) {
            spawn(child);
        }
    }
    arm_for_next_start();
}

}  // namespace keysluice
