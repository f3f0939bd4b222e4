#include "daemon/shared/users.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

using namespace keysluice;

namespace {

constexpr Users kSystem{.own = 104, .control = 101, .engine = 102, .relay = 103};

}  // namespace

TEST_CASE("each user may be what its name says, and nothing else") {
    for (const ProcessKind kind : {ProcessKind::control, ProcessKind::engine, ProcessKind::relay}) {
        CHECK(kSystem.may_be(101, kind) == (kind == ProcessKind::control));
        CHECK(kSystem.may_be(102, kind) == (kind == ProcessKind::engine));
        CHECK(kSystem.may_be(103, kind) == (kind == ProcessKind::relay));
        CHECK(kSystem.may_be(104, kind));
        CHECK(kSystem.may_be(0, kind));
        CHECK_FALSE(kSystem.may_be(1000, kind));
        CHECK_FALSE(kSystem.may_be(Users::kNobody, kind));
    }
    CHECK(kSystem.may_call(102));
    CHECK_FALSE(kSystem.may_call(1000));
}

TEST_CASE("a process of no user of keysluice's lets in its own user and root only") {
    const Users users = Users::look_up();
    CHECK(users.own == geteuid());
    CHECK(users.engine == Users::kNobody);
    CHECK(users.may_be(geteuid(), ProcessKind::relay));
    CHECK_FALSE(users.may_call(65534));
    CHECK_FALSE(users.may_call(Users::kNobody));
}
