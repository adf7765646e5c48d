// Reading symbol tables.
//
// The full table (.symtab) is taken where a file has one, else that of what it
// exports (.dynsym). A file is not trusted: every offset is checked, and what
// does not fit is as if it were not there.
//
// Whether an address is ours is easily told where the library is a file of its
// own. In a program that was linked with the archive, its functions are those
// called asyncio_ and the static ones among them: an archive's text stands in
// one piece, so such a one has functions called asyncio_ close by, before and
// behind it. The part of a function that a compiler has put apart, as it is
// hardly ever run, stands elsewhere, and is whose the function is.

#include "platform/symbols.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/sys.h"

#define TABLE_MAX  ((size_t)1 << 30) // bytes of one section
#define NEIGHBOURS 8                 // looked at on each side

struct function {
    uintptr_t start, size;
    const char *name; // in the module's strings
    size_t source;    // the number of the source file, if it is static
};

struct asyncio__module {
    struct asyncio__module *next;
    uintptr_t bias;             // what addresses in the file differ by
    char name[64];              // of the file, without its folder
    bool library;               // it is libasyncio, as a file of its own
    struct function *functions; // by address; NULL: not known
    size_t count;
    char *strings;
};

// --- reading a file ---------------------------------------------------------

// Reads a part of the file into new memory with a 0 behind it; NULL if it
// cannot be had.
static void *read_part(int fd, uint64_t offset, uint64_t size)
{
    if (size == 0 || size > TABLE_MAX || offset > INT64_MAX) return NULL;
    char *memory = asyncio__alloc((size_t)size + 1);
    if (!memory) return NULL;
    size_t len = 0;
    while (len < size) {
        ssize_t n = asyncio__sys_pread(fd, memory + len, (size_t)size - len,
                                       (off_t)(offset + len));
        if (n == -EINTR) continue;
        if (n <= 0) break;
        len += (size_t)n;
    }
    if (len == size) return memory;
    asyncio__free(memory);
    return NULL;
}

static const ElfW(Shdr) *
    find_section(const ElfW(Shdr) * sections, size_t count, unsigned type)
{
    for (size_t i = 0; i < count; i++)
        if (sections[i].sh_type == type &&
            sections[i].sh_entsize == sizeof(ElfW(Sym)) &&
            sections[i].sh_link < count)
            return &sections[i];
    return NULL;
}

static int by_start(const void *a, const void *b)
{
    const struct function *one = a, *other = b;
    return (one->start > other->start) - (one->start < other->start);
}

// Keeps the functions among the symbols, in order of their addresses.
static void keep_functions(struct asyncio__module *module,
                           const ElfW(Sym) * symbols, size_t count,
                           size_t strings_size)
{
    module->functions =
        asyncio__alloc_array(count + 1, sizeof *module->functions);
    size_t source = 0;
    for (size_t i = 0; module->functions && i < count; i++) {
        const ElfW(Sym) *symbol = &symbols[i];
        source += (symbol->st_info & 0xf) == STT_FILE;
        if ((symbol->st_info & 0xf) != STT_FUNC || symbol->st_value == 0 ||
            symbol->st_shndx == SHN_UNDEF || symbol->st_name >= strings_size)
            continue;
        module->functions[module->count++] = (struct function){
            .start = module->bias + symbol->st_value,
            .size = symbol->st_size,
            .name = module->strings + symbol->st_name,
            .source = source,
        };
    }
    if (module->count > 0)
        qsort(module->functions, module->count, sizeof *module->functions,
              by_start);
}

static void read_symbols(struct asyncio__module *module, int fd,
                         const ElfW(Shdr) * sections, size_t count)
{
    const ElfW(Shdr) *table = find_section(sections, count, SHT_SYMTAB);
    if (!table) table = find_section(sections, count, SHT_DYNSYM);
    if (!table) return;
    const ElfW(Shdr) *strings = &sections[table->sh_link];
    module->strings = read_part(fd, strings->sh_offset, strings->sh_size);
    ElfW(Sym) *symbols = read_part(fd, table->sh_offset, table->sh_size);
    if (module->strings && symbols)
        keep_functions(module, symbols, table->sh_size / sizeof *symbols,
                       strings->sh_size);
    asyncio__free(symbols);
}

static void read_file(struct asyncio__module *module, int fd)
{
    ElfW(Ehdr) *header = read_part(fd, 0, sizeof *header);
    if (!header) return;
    bool elf = memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 &&
               header->e_ident[EI_CLASS] ==
                   (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32) &&
               header->e_shentsize == sizeof(ElfW(Shdr));
    size_t count = elf ? header->e_shnum : 0;
    ElfW(Shdr) *sections =
        read_part(fd, header->e_shoff, count * sizeof *sections);
    if (sections) read_symbols(module, fd, sections, count);
    asyncio__free(sections);
    asyncio__free(header);
}

// --- finding a module -------------------------------------------------------

struct search {
    uintptr_t address;
    uintptr_t bias;
    char path[512];
    bool found;
    bool ours; // it has this very file's code
    bool main; // it is the program
};

static bool covers(const struct dl_phdr_info *info, uintptr_t address)
{
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        if (part->p_type == PT_LOAD &&
            address - info->dlpi_addr - part->p_vaddr < part->p_memsz)
            return true;
    }
    return false;
}

static int try_module(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size;
    struct search *search = arg;
    if (!covers(info, search->address)) return 0;
    search->found = true;
    search->bias = info->dlpi_addr;
    search->main = !info->dlpi_name || !info->dlpi_name[0];
    search->ours = covers(info, (uintptr_t)&asyncio__symbols_name);
    snprintf(search->path, sizeof search->path, "%s",
             search->main ? "/proc/self/exe" : info->dlpi_name);
    return 1;
}

static void name_module(struct asyncio__module *module,
                        const struct search *search)
{
    const char *slash = strrchr(search->path, '/');
    const char *name = search->main ? program_invocation_short_name
                       : slash      ? slash + 1
                                    : search->path;
    size_t len = strnlen(name, sizeof module->name - 1);
    memcpy(module->name, name, len);
}

static struct asyncio__module *add_module(struct asyncio__symbols *symbols,
                                          const struct search *search)
{
    struct asyncio__module *module = asyncio__alloc(sizeof *module);
    if (!module) return NULL;
    module->bias = search->bias;
    module->library = search->ours && !search->main;
    name_module(module, search);
    module->next = symbols->modules;
    symbols->modules = module;
    // The kernel's own page has a name but no file.
    if (!strchr(search->path, '/')) return module;
    int fd;
    do
        fd = asyncio__sys_openat(AT_FDCWD, search->path, O_RDONLY, 0);
    while (fd == -EINTR);
    if (fd < 0) return module;
    read_file(module, fd);
    asyncio__sys_close(fd);
    return module;
}

static struct asyncio__module *module_of(struct asyncio__symbols *symbols,
                                         const void *address)
{
    struct search search = {.address = (uintptr_t)address};
    dl_iterate_phdr(try_module, &search);
    if (!search.found) return NULL;
    struct asyncio__module *module = symbols->modules;
    while (module && module->bias != search.bias)
        module = module->next;
    return module ? module : add_module(symbols, &search);
}

void asyncio__symbols_close(struct asyncio__symbols *symbols)
{
    while (symbols->modules) {
        struct asyncio__module *module = symbols->modules;
        symbols->modules = module->next;
        asyncio__free(module->functions);
        asyncio__free(module->strings);
        asyncio__free(module);
    }
}

// --- asking -----------------------------------------------------------------

// The last function that begins at or before the address, or NULL.
static const struct function *function_at(const struct asyncio__module *module,
                                          uintptr_t address)
{
    size_t low = 0, high = module->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (module->functions[middle].start <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0) return NULL;
    const struct function *function = &module->functions[low - 1];
    bool inside =
        function->size == 0 || address - function->start < function->size;
    return inside ? function : NULL;
}

void asyncio__symbols_name(struct asyncio__symbols *symbols,
                           const void *address, char *text, size_t size)
{
    const struct asyncio__module *module = module_of(symbols, address);
    const struct function *function =
        module ? function_at(module, (uintptr_t)address) : NULL;
    // What a compiler made of a function has a name like "work.constprop.0".
    if (function)
        snprintf(text, size, "%.*s", (int)strcspn(function->name, "."),
                 function->name);
    else if (module)
        snprintf(text, size, "%s+%#zx", module->name,
                 (size_t)((uintptr_t)address - module->bias));
    else
        snprintf(text, size, "%p", address);
}

static bool is_our_name(const struct function *function)
{
    return strncmp(function->name, "asyncio_", 8) == 0;
}

// Whether one of the functions next to it, on one side, is ours by name.
static bool ours_beside(const struct asyncio__module *module,
                        const struct function *function, int step)
{
    const struct function *end = module->functions + module->count;
    for (int i = 0; i < NEIGHBOURS; i++) {
        if (step < 0 && function == module->functions) return false;
        function += step;
        if (function == end) return false;
        if (is_our_name(function)) return true;
    }
    return false;
}

// What "work.cold" is a part of; itself, if that is not to be told.
static const struct function *whole_of(const struct asyncio__module *module,
                                       const struct function *part)
{
    const char *suffix = strstr(part->name, ".cold");
    size_t len = suffix ? (size_t)(suffix - part->name) : 0;
    for (size_t i = 0; suffix && i < module->count; i++) {
        const struct function *whole = &module->functions[i];
        if (whole->source == part->source &&
            strncmp(whole->name, part->name, len) == 0 &&
            whole->name[len] == '\0')
            return whole;
    }
    return part;
}

bool asyncio__symbols_ours(struct asyncio__symbols *symbols,
                           const void *address)
{
    const struct asyncio__module *module = module_of(symbols, address);
    if (!module) return false;
    if (module->library) return true;
    const struct function *function = function_at(module, (uintptr_t)address);
    if (!function) return false;
    function = whole_of(module, function);
    return is_our_name(function) || (ours_beside(module, function, -1) &&
                                     ours_beside(module, function, 1));
}
