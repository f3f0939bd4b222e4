#include "cli/import/swanctl_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace keysluice::importer {
namespace {

constexpr unsigned kDeepest = 16;
constexpr std::size_t kMostEntries = 10'000;

/// "connections.hq.children", from the root.
const Node* at_path(const Node& root, std::string_view path) {
    const Node* node = &root;
    for (const std::string_view name : pieces(path, '.')) {
        node = node == nullptr ? nullptr : node->section(name);
    }
    return node;
}

class Reader {
   public:
    explicit Reader(Inclusion& inclusion) : inclusion_(inclusion) {}

    Result<void> read(const Source& source, Node& into, unsigned depth) {
        const auto outer = std::exchange(here_, {source.view(), &source, 1});
        auto read = read_entries(into, 0, depth);
        if (read && !here_.text.empty()) {
            read = malformed("this \"}\" has no \"{\"");
        }
        here_ = outer;
        return read;
    }

    Node root;

   private:
    struct Here {
        std::string_view text;
        const Source* source = nullptr;
        unsigned line = 1;
    };

    Result<void> malformed(std::string_view what) const {
        return fail("import-malformed", fmt::format("{}: {}", print(place()), what));
    }

    [[nodiscard]] Place place() const { return {here_.source->name(), here_.line}; }

    void skip(std::size_t count) {
        here_.line += static_cast<unsigned>(std::ranges::count(here_.text.substr(0, count), '\n'));
        here_.text.remove_prefix(std::min(count, here_.text.size()));
    }

    /// White space and comments.
    void skip_blank() {
        while (!here_.text.empty()) {
            if (here_.text.front() == '#') {
                skip(std::min(here_.text.find('\n'), here_.text.size()));
            } else if (std::string_view(" \t\r\n").find(here_.text.front()) != std::string_view::npos) {
                skip(1);
            } else {
                return;
            }
        }
    }

    std::string_view take_until(std::string_view marks) {
        const std::string_view taken = here_.text.substr(0, here_.text.find_first_of(marks));
        skip(taken.size());
        return trim(taken);
    }

    Result<void> read_entries(Node& node, unsigned nesting, unsigned depth) {
        if (nesting > kDeepest) {
            return fail("import-too-large",
                        fmt::format("{}: sections in sections, {} deep", print(place()), kDeepest));
        }
        for (skip_blank(); !here_.text.empty() && here_.text.front() != '}'; skip_blank()) {
            if (auto read = read_entry(node, nesting, depth); !read) {
                return read;
            }
        }
        return {};
    }

    Result<void> read_entry(Node& node, unsigned nesting, unsigned depth) {
        if (++entries_ > kMostEntries) {
            return fail("import-too-large", fmt::format("{}: more than {} settings", print(place()), kMostEntries));
        }
        const Place begin = place();
        const std::string_view name = take_until(" \t\r\n={}:#\"");
        if (name.empty()) {
            return malformed("expected \"name = value\" or \"name { … }\"");
        }
        if (name == "include" && !here_.text.starts_with('=')) {
            return include(node, depth);
        }
        skip_blank();
        if (here_.text.starts_with('=')) {
            skip(1);
            return read_value(node, std::string(name), begin);
        }
        std::vector<std::string_view> references;
        if (here_.text.starts_with(':')) {
            skip(1);
            references = pieces(take_until("{}#="), ',');
        }
        if (!here_.text.starts_with('{')) {
            return malformed(fmt::format("expected \"=\" or \"{{\" behind {}", name));
        }
        skip(1);
        return read_section(node, std::string(name), begin, references, nesting, depth);
    }

    Result<void> read_section(Node& node, std::string name, const Place& begin,
                              const std::vector<std::string_view>& references, unsigned nesting, unsigned depth) {
        // A section that stands there twice is one.
        const auto found = std::ranges::find(node.sections, name, &Node::name);
        Node& section =
            found != node.sections.end() ? *found : node.sections.emplace_back(Node{std::move(name), begin, {}, {}});
        for (const std::string_view reference : references) {
            const Node* const other = at_path(root, reference);
            if (other == nullptr || other == &section) {
                return malformed(fmt::format("there is no section {} above that this could take over", reference));
            }
            const Node copy = *other;
            if (auto taken = inherit(section, copy, 0); !taken) {
                return taken;
            }
        }
        if (auto read = read_entries(section, nesting + 1, depth); !read) {
            return read;
        }
        if (!here_.text.starts_with('}')) {
            return malformed(fmt::format("the section of {} is not closed", print(begin)));
        }
        skip(1);
        return {};
    }

    Result<void> inherit(Node& section, const Node& other, unsigned nesting) {
        entries_ += other.settings.size() + other.sections.size();
        if (entries_ > kMostEntries || nesting > kDeepest) {
            return fail("import-too-large", fmt::format("{}: more than {} settings", print(place()), kMostEntries));
        }
        for (const Setting& setting : other.settings) {
            if (section.setting(setting.key) == nullptr) {
                section.settings.push_back(setting);
            }
        }
        for (const Node& inner : other.sections) {
            const auto found = std::ranges::find(section.sections, inner.name, &Node::name);
            Node& mine = found != section.sections.end()
                             ? *found
                             : section.sections.emplace_back(Node{inner.name, inner.place, {}, {}});
            if (auto taken = inherit(mine, inner, nesting + 1); !taken) {
                return taken;
            }
        }
        return {};
    }

    Result<void> read_value(Node& node, std::string key, const Place& begin) {
        skip(std::min(here_.text.find_first_not_of(" \t"), here_.text.size()));
        Setting setting{std::move(key), {}, here_.text.starts_with('"'), begin};
        if (setting.quoted) {
            std::size_t end = 1;
            while (end < here_.text.size() && here_.text[end] != '"') {
                end += here_.text[end] == '\\' ? 2U : 1U;
            }
            if (end >= here_.text.size()) {
                return malformed("a quotation mark is missing");
            }
            setting.raw = here_.text.substr(1, end - 1);
            skip(end + 1);
        } else {
            setting.raw = take_until("\n#}");
        }
        std::erase_if(node.settings, [&setting](const Setting& each) { return each.key == setting.key; });
        node.settings.push_back(std::move(setting));
        return {};
    }

    Result<void> include(Node& node, unsigned depth) {
        const std::string_view pattern = take_until("\n#");
        const bool quoted = pattern.size() > 1 && pattern.starts_with('"') && pattern.ends_with('"');
        const auto files = inclusion_.open(std::string(quoted ? pattern.substr(1, pattern.size() - 2) : pattern),
                                           *here_.source, depth);
        if (!files) {
            return std::unexpected(files.error());
        }
        for (const SourcePtr& file : *files) {
            if (auto inner = read(*file, node, depth + 1); !inner) {
                return inner;
            }
        }
        return {};
    }

    Inclusion& inclusion_;
    Here here_;
    std::size_t entries_ = 0;
};

}  // namespace

std::string Setting::value() const {
    std::string result;
    for (std::size_t i = 0; i < raw.size(); ++i) {
        i += quoted && raw[i] == '\\' && i + 1 < raw.size() ? 1U : 0U;
        result += raw[i];
    }
    return result;
}

std::string Setting::shown(bool secret) const {
    return secret ? fmt::format("{} = (not repeated)", key) : fmt::format("{} = {}", key, raw);
}

const Setting* Node::setting(std::string_view key) const {
    const auto found = std::ranges::find(settings, key, &Setting::key);
    return found == settings.end() ? nullptr : &*found;
}

const Node* Node::section(std::string_view key) const {
    const auto found = std::ranges::find(sections, key, &Node::name);
    return found == sections.end() ? nullptr : &*found;
}

Result<Node> read_swanctl(const SourcePtr& source, Inclusion& inclusion) {
    Reader reader(inclusion);
    if (auto read = reader.read(*source, reader.root, 0); !read) {
        return pass_on(std::move(read));
    }
    return std::move(reader.root);
}

}  // namespace keysluice::importer
