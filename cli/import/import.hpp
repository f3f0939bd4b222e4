#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "cli/import/draft.hpp"
#include "cli/import/source.hpp"

/// Configurations of other programs, made into keysluice's own.
///
/// Each line either has its equivalent in the result or stands there as a comment that says why it has none. What
/// comes out is what the service's own reader takes: a part that it would refuse is left out, with a comment for each
/// of its lines. Errors: `import-malformed`, `import-impossible`, `import-too-large`.
namespace keysluice::importer {

/// In the order of kKindNames.
enum class Kind { stunnel, swanctl, ipsec, setkey };
inline constexpr std::array<std::string_view, 4> kKindNames{"stunnel", "swanctl", "ipsec", "setkey"};

/// Whose configuration it is, from the file's name or from what stands in it. Error: `import-ambiguous`.
[[nodiscard]] Result<Kind> guess_kind(const Source& source);

struct Wishes {
    std::optional<std::string> keys = {};  ///< the absolute path of the folder that KeyFiles are going to
};

[[nodiscard]] Result<Imported> import_as(Kind kind, const SourcePtr& source, Surroundings& surroundings,
                                         const Wishes& wishes);

[[nodiscard]] Result<Imported> import_stunnel(const SourcePtr& source, Surroundings& surroundings);
[[nodiscard]] Result<Imported> import_swanctl(const SourcePtr& source, Surroundings& surroundings,
                                              const Wishes& wishes);
[[nodiscard]] Result<Imported> import_ipsec(const SourcePtr& source, Surroundings& surroundings,
                                            const Wishes& wishes);
[[nodiscard]] Result<Imported> import_setkey(const SourcePtr& source, Surroundings& surroundings,
                                             const Wishes& wishes);

}  // namespace keysluice::importer
