// Finds Node-API on Windows where MinGW links: in the program that loads the addon, be it node.exe or another. Node's
// headers call by way of __imp_<name>, which an import library would fill in for a program of one name; delay loading
// (dlltool -y) would do it for any, but its thunks lose floating-point arguments.

#include <windows.h>

extern "C" {
#define FIND(name) FARPROC __imp_##name = GetProcAddress(GetModuleHandleW(nullptr), #name);
#include "node_api_names.h"
#undef FIND
}
