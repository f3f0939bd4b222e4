#pragma once

#include <string>

#include "base/unique_fd.hpp"

namespace keysluice::test {

/// A network namespace of its own, with loopback up. Sockets belong to the namespace in which they were opened, also
/// after it was left.
class NetworkNamespace {
   public:
    /// Without the right to make one, the test case fails.
    NetworkNamespace();

    /// The calling thread is in the namespace while this lives.
    class Inside {
       public:
        explicit Inside(const NetworkNamespace& there);
        Inside(const Inside&) = delete;
        Inside& operator=(const Inside&) = delete;
        ~Inside();

       private:
        UniqueFd before_;
    };

    /// Calls something inside and returns what it returns.
    template <typename Do>
    auto run(Do&& something) const {
        const Inside inside{*this};
        return something();
    }
    /// A command of the shell, run inside; it must succeed.
    void shell(const std::string& command) const;
    /// A path by which `ip link … netns PATH` finds it.
    [[nodiscard]] std::string path() const;

   private:
    UniqueFd handle_;
};

/// Two namespaces with a veth pair between them: 10.0.0.1 and fd00::1 are `left`, 10.0.0.2 and fd00::2 are `right`.
struct NamespacePair {
    NamespacePair();

    NetworkNamespace left;
    NetworkNamespace right;
};

}  // namespace keysluice::test
