// Texts as Python writes them. The Jinja engine calls these functions (cmake/Jinja.cmake), so they
// stand outside of namespaces.
#pragma once

#include <string>

// repr(value) of a float, as json.dumps() writes it too: 1.0, 0.1, 1e-07.
std::string salf_python_float(double value);
// repr(text): 'it', "it's", 'a\nb'.
std::string salf_python_repr(const std::string& text);
// text.strip(), lstrip() or rstrip(): also without white space beyond ASCII.
std::string salf_python_strip(const std::string& text, bool left, bool right);
