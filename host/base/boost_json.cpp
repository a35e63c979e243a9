// The one translation unit that holds Boost.JSON's implementation: no shared library to install or to load.
#include <boost/json/src.hpp>
