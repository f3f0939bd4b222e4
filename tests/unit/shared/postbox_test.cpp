#include "daemon/shared/postbox.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <thread>
#include <vector>

using namespace keysluice;
using namespace std::chrono_literals;

TEST_SUITE("shared: postbox") {
    TEST_CASE("letters of another thread are carried out on the loop, in their order") {
        Loop loop;
        Postbox postbox(loop);
        std::vector<int> carried_out;
        const auto here = std::this_thread::get_id();
        bool on_the_loop = true;
        std::thread other([&] {
            for (int number = 0; number < 1000; ++number) {
                postbox.post([&, number] {
                    carried_out.push_back(number);
                    on_the_loop = on_the_loop && std::this_thread::get_id() == here;
                });
            }
        });
        while (carried_out.size() < 1000) {
            loop.turn(1s);
        }
        other.join();
        CHECK(on_the_loop);
        CHECK(std::ranges::is_sorted(carried_out));
    }

    TEST_CASE("one letter in each round; it may post another, which waits for those before it") {
        Loop loop;
        Postbox postbox(loop);
        std::vector<int> done;
        postbox.post([&] {
            done.push_back(1);
            postbox.post([&] { done.push_back(3); });
        });
        postbox.post([&] { done.push_back(2); });
        for (std::size_t round = 1; round <= 3; ++round) {
            loop.turn(1s);
            CHECK(done.size() == round);
        }
        CHECK(done == std::vector{1, 2, 3});
        loop.turn(0s);
    }

    TEST_CASE("what nobody comes for is dropped") {
        Loop loop;
        auto alive = std::make_shared<int>(0);
        {
            Postbox postbox(loop);
            postbox.post([alive] { FAIL("carried out"); });
        }
        CHECK(alive.use_count() == 1);
        loop.turn(0s);
    }
}
