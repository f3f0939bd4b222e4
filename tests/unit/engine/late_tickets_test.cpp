#include "daemon/engine/late_tickets.hpp"

#include <doctest/doctest.h>

#include "tests/support/tls_pair.hpp"

using namespace keysluice;
using namespace keysluice::testing;

TEST_CASE("sessions wait for their first ticket, and the oldest goes where there are too many") {
    Loop loop;
    LateTickets tickets(loop);
    const tls::Context context = client_context();
    for (std::uint64_t id = 0; id <= LateTickets::kMost; ++id) {
        tickets.wait({id}, tls::Session::connect(context).value());
    }
    CHECK(tickets.size() == LateTickets::kMost);
    const auto come = [&](std::uint64_t id) { tickets.on_ticket({.session = {id}, .message = {4, 0, 0, 0}}); };
    come(0);
    CHECK(tickets.size() == LateTickets::kMost);
    come(1);
    CHECK(tickets.size() == LateTickets::kMost - 1);
    come(1);
    CHECK(tickets.size() == LateTickets::kMost - 1);
    come(LateTickets::kMost);
    CHECK(tickets.size() == LateTickets::kMost - 2);
}
