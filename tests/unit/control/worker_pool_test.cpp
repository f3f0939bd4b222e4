#include "daemon/control/worker_pool.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <memory>
#include <thread>

#include "tests/support/processes.hpp"

using namespace keysluice;
using namespace keysluice::control;
using namespace keysluice::test;

TEST_SUITE_BEGIN("worker pool");

TEST_CASE("jobs run beside the loop and beside each other, their results come on the loop") {
    Loop loop;
    const auto ours = std::this_thread::get_id();
    WorkerPool pool(loop, 2, 10);
    std::atomic<int> inside = 0;
    std::atomic<bool> together = false;
    int done = 0;
    for (int each = 0; each < 2; ++each) {
        pool.submit([&]() -> WorkerPool::Done {
            CHECK(std::this_thread::get_id() != ours);
            ++inside;
            for (int wait = 0; wait < 5'000 && !together; ++wait) {  // for the other one
                together = together || inside == 2;
                std::this_thread::sleep_for(std::chrono::milliseconds(1));
            }
            return [&] {
                CHECK(std::this_thread::get_id() == ours);
                ++done;
            };
        });
    }
    CHECK_FALSE(pool.idle());
    turn_until(loop, [&] { return done == 2; });
    CHECK(together);
    CHECK(pool.idle());
}

TEST_CASE("it is full until results have come") {
    Loop loop;
    WorkerPool pool(loop, 1, 3);
    int done = 0;
    for (int each = 0; each < 3; ++each) {
        CHECK_FALSE(pool.full());
        pool.submit([&]() -> WorkerPool::Done { return [&] { ++done; }; });
    }
    CHECK(pool.full());
    turn_until(loop, [&] { return done == 3; });
    CHECK_FALSE(pool.full());
}

TEST_CASE("its end carries out what waits and calls nobody") {
    Loop loop;
    std::atomic<int> carried_out = 0;
    int done = 0;
    {
        WorkerPool pool(loop, 2, 100);
        for (int each = 0; each < 20; ++each) {
            pool.submit([&]() -> WorkerPool::Done {
                ++carried_out;
                return [&] { ++done; };
            });
        }
    }
    CHECK(carried_out == 20);
    loop.turn(std::chrono::milliseconds(1));
    CHECK(done == 0);
}

TEST_SUITE_END();
