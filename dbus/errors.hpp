#pragma once

#include <functional>

#include "base/result.hpp"
#include "daemon/control/connection_changes.hpp"
#include "dbus/compat.hpp"

namespace keysluice::bus {

/// As org.keysluice1.Manager documents it: the name by the reason code, the text with it.
[[nodiscard]] sdbus::Error to_bus_error(const Error& error);
[[nodiscard]] sdbus::Error to_bus_error(const control::Diagnostics& wrong);
[[nodiscard]] sdbus::Error to_bus_error(const control::Refusal& refusal);

/// Text from outside, as the bus takes it: what is no UTF-8 becomes U+FFFD, and nothing ends before its end.
[[nodiscard]] std::string clean(std::string_view text);

/// Carries out something that sends. What fails here is told by the connection itself, which is gone.
void sending(const std::function<void()>& step);

template <typename... Values>
void answer(const sdbus::Result<Values...>& result, const Values&... values) {
    sending([&] { result.returnResults(values...); });
}
template <typename... Values>
void refuse(const sdbus::Result<Values...>& result, const sdbus::Error& error) {
    sending([&] { result.returnError(error); });
}

}  // namespace keysluice::bus
