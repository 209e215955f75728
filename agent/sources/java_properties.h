// Files of Java's class Properties, in which servers written in Java have their configuration.
//
// Whoever runs the server writes them, and the agent need not trust him.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace holdfast {

// Of what is there twice the last counts.
using JavaProperties = std::map<std::string, std::string>;
// kCorrupt when the text is not of that form.
Result<JavaProperties> ParseProperties(std::string_view text);

// Empty: not there.
std::string PropertyOf(const JavaProperties& properties, const std::string& name);

}  // namespace holdfast
