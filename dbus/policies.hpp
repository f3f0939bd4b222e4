#pragma once

#include <map>
#include <string>

#include "dbus/objects.hpp"
#include "org.keysluice1.Policies.adaptor.hpp"

namespace keysluice::bus {

/// org.keysluice1.Policies at /org/keysluice1.
class Policies final : public Exported<org::keysluice1::Policies_adaptor> {
   public:
    Policies(sdbus::IConnection& connection, Commands& commands);
    ~Policies() { withdraw(); }

   private:
    using Text = sdbus::Result<std::string>;
    using Texts = std::map<std::string, std::string>;

    void Show(Text&& result, std::string set) override;
    void Test(Text&& result, std::string set, Texts question) override;
    void Diff(Text&& result) override;
    void Verify(Text&& result) override;
    void Export(Text&& result) override;
    void ListKeys(Text&& result) override;
    void Commit(Text&& result, Dictionary options) override;
    void Confirm(Text&& result, Dictionary options) override;
    void Enable(Text&& result, Dictionary options) override;
    void Disable(Text&& result, Dictionary options) override;
    void RenewKey(Text&& result, std::string name, Dictionary options) override;
    void Edit(Text&& result, std::string verb, std::string name, Texts values, Dictionary options) override;
    void Import(Text&& result, std::string toml, std::string name, Dictionary options) override;

    void read(Text&& result, control::PolicyRequest request);
    void change(Text&& result, control::PolicyRequest request, Dictionary options);

    Commands& commands_;
};

}  // namespace keysluice::bus
