#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "dbus/networkmanager/profile.hpp"

namespace keysluice::networkmanager {

/// Of a private connection (connection.permissions), puts what stands in its files in the place of their names, as
/// the user can read them whom it belongs to: keysluiced opens none. (With its rights or root's, the user would get
/// at files of others: CVE-2025-9615.) Nothing changes in a connection for all users.
///
/// A child of this process, which has that user's rights and no others, reads a file into a memory file. The private
/// key stays in there.
///
/// Fails with "vpn-files-private" (it belongs to several users, or to nobody whom this machine knows), and with
/// "vpn-file-unreadable".
[[nodiscard]] Result<void> read_private_files(Request& request);

/// What is public of the blocks "-----BEGIN …" to "-----END …" of a text, each with its end of line. Empty: it has
/// none.
[[nodiscard]] std::string pem_blocks(std::string_view text);

}  // namespace keysluice::networkmanager
