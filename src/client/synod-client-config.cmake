# find_package(synod-client) gives the target synod::client.
include(CMakeFindDependencyMacro)
find_dependency(Threads)
find_dependency(Boost 1.81 COMPONENTS json url)
find_dependency(OpenSSL)
include(${CMAKE_CURRENT_LIST_DIR}/synod-client-targets.cmake)
