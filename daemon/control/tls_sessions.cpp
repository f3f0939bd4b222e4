#include "daemon/control/tls_sessions.hpp"

#include <algorithm>
#include <utility>

#include "daemon/control/status.hpp"
#include "daemon/control/tls_session_view.hpp"
#include "daemon/shared/clock.hpp"

namespace keysluice::control {

TlsSessions::TlsSessions(Loop& loop, Find find, Send send)
    : find_(std::move(find)),
      send_(std::move(send)),
      patience_(loop, [this] { on_deadline(); }),
      kernel_(loop, 1, kMostUnderWay) {}

void TlsSessions::list(std::vector<ServiceId> services, TlsSessionId after, std::size_t limit, Listed then) {
    if (questions_.size() >= kMostUnderWay || kernel_.full()) {
        then(fail("too-many-calls", "too many calls are under way; try again"));
        return;
    }
    limit = std::clamp<std::size_t>(limit, 1, kMostSessions);
    const AskSessions message{.token = ++token_,
                              .after = after,
                              .limit = static_cast<std::uint16_t>(limit),
                              .services = std::move(services)};
    ask(message, {.until = now() + kPatience, .then = [this, limit, then = std::move(then)](Answers answers) mutable {
                      look_up(std::move(answers), limit, std::move(then));
                  }});
}

void TlsSessions::end(TlsSessionId session, Ended then) {
    end({.token = ++token_, .id = session, .service = {}}, std::move(then));
}

void TlsSessions::end_all_of(ServiceId service, Ended then) {
    end({.token = ++token_, .id = {}, .service = service}, std::move(then));
}

void TlsSessions::end(EndSessions end, Ended then) {
    if (questions_.size() >= kMostUnderWay) {
        then(fail("too-many-calls", "too many calls are under way; try again"));
        return;
    }
    ask(end, {.until = now() + kPatience,
              .then = [then = std::move(then)](const Answers& answers) mutable { then(answers.ended); }});
}

void TlsSessions::ask(const Message& message, Question question) {
    question.missing = send_(message);
    const auto entry = questions_.emplace(token_, std::move(question)).first;
    if (entry->second.missing.empty()) {
        entry->second.until = now();  // and not from within the call that asks
    }
    const auto next = std::ranges::min_element(questions_, {}, [](const auto& each) { return each.second.until; });
    patience_.arm(next->second.until);
}

TlsSessions::Questions::iterator TlsSessions::question_to(const Hello& from, std::uint32_t token) {
    const auto question = questions_.find(token);
    return question == questions_.end() ||
                   std::ranges::find(question->second.missing, from) == question->second.missing.end()
               ? questions_.end()
               : question;
}

void TlsSessions::on_answer(const Hello& from, Sessions answer) {
    if (const auto question = question_to(from, answer.token); question != questions_.end()) {
        std::ranges::move(answer.sessions, std::back_inserter(question->second.answers.sessions));
        question->second.answers.more |= answer.more;
        answered(question, from);
    }
}

void TlsSessions::on_answer(const Hello& from, const SessionsEnded& answer) {
    if (const auto question = question_to(from, answer.token); question != questions_.end()) {
        question->second.answers.ended += answer.count;
        answered(question, from);
    }
}

void TlsSessions::left(const Hello& process) {
    for (auto next = questions_.begin(); next != questions_.end();) {
        const auto question = next++;
        if (question_to(process, question->first) != questions_.end()) {
            ++question->second.answers.silent;
            answered(question, process);
        }
    }
}

void TlsSessions::answered(Questions::iterator question, const Hello& from) {
    std::erase(question->second.missing, from);
    if (question->second.missing.empty()) {
        finish(question);
    }
}

void TlsSessions::finish(Questions::iterator question) {
    Question ended = std::move(questions_.extract(question).mapped());
    ended.answers.silent += static_cast<std::uint32_t>(ended.missing.size());
    ended.then(std::move(ended.answers));
}

void TlsSessions::on_deadline() {
    const Instant moment = now();
    for (auto next = questions_.begin(); next != questions_.end();) {
        const auto question = next++;
        if (question->second.until <= moment) {
            finish(question);
        }
    }
    if (!questions_.empty()) {
        patience_.arm(questions_.begin()->second.until);
    }
}

void TlsSessions::look_up(Answers answers, std::size_t limit, Listed then) {
    auto& sessions = answers.sessions;
    std::ranges::sort(sessions, {}, &ListedSession::id);
    const bool more = answers.more || sessions.size() > limit;
    sessions.resize(std::min(sessions.size(), limit));
    TlsSessionPage page{.sessions = {},
                        .next = more && !sessions.empty() ? std::optional(sessions.back().id) : std::nullopt,
                        .silent = answers.silent};
    page.sessions.reserve(sessions.size());
    for (const ListedSession& session : sessions) {
        static const TlsService kRemoved{.name = std::string(kRemovedName)};
        const TlsService* service = find_(session.service);
        page.sessions.push_back(view_of(session, service == nullptr ? kRemoved : *service));
    }
    kernel_.submit([page = std::move(page), then = std::move(then)]() mutable -> WorkerPool::Done {
        ask_kernel(page.sessions);
        return [page = std::move(page), then = std::move(then)]() mutable { then(std::move(page)); };
    });
}

}  // namespace keysluice::control
