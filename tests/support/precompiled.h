// cmake/precompiled.h and Catch2, for unity builds of the tests.
#pragma once

#include "cmake/precompiled.h"
#include "tests/support/catch.h"
