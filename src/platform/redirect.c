// Rewriting entries of GOTs.
//
// Each object describes its entries by relocations: for each one a symbol and a
// place. An entry may lie in memory that the dynamic linker has made read-only
// (RELRO) after filling it in: such a page is made writable for the moment of
// the store. A store is one word, so a thread that calls meanwhile goes the old
// way or the new one.

#include "platform/redirect.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "platform/sys.h"

#if defined(__x86_64__) && defined(__LP64__)
#define SLOT_OF_CALL    R_X86_64_JUMP_SLOT
#define SLOT_OF_ADDRESS R_X86_64_GLOB_DAT
#elif defined(__aarch64__) && defined(__LP64__)
#define SLOT_OF_CALL    R_AARCH64_JUMP_SLOT
#define SLOT_OF_ADDRESS R_AARCH64_GLOB_DAT
#else
#define SLOT_OF_CALL    UINT32_MAX // not known here: nothing is redirected
#define SLOT_OF_ADDRESS UINT32_MAX
#endif

// One loaded object, as far as it matters here.
struct object {
    uintptr_t base;
    uintptr_t relro, relro_end; // whole pages that are read-only now
    const ElfW(Sym) * symbols;
    const char *strings;
    const ElfW(Rela) * calls, *others;
    size_t calls_size, others_size; // in bytes
};

struct work {
    const struct asyncio__redirection *redirections;
    size_t count;
    bool back;
};

// The dynamic linker has relocated most of these addresses, but not all.
static uintptr_t address_in(const struct object *object, uintptr_t value)
{
    return value < object->base ? object->base + value : value;
}

static void read_dynamic(struct object *object, const ElfW(Dyn) * entry)
{
    for (; entry->d_tag != DT_NULL; entry++) {
        void *at = (void *)address_in(object, entry->d_un.d_ptr);
        switch (entry->d_tag) {
        case DT_SYMTAB: object->symbols = at; break;
        case DT_STRTAB: object->strings = at; break;
        case DT_JMPREL: object->calls = at; break;
        case DT_PLTRELSZ: object->calls_size = entry->d_un.d_val; break;
        case DT_RELA: object->others = at; break;
        case DT_RELASZ: object->others_size = entry->d_un.d_val; break;
        default: break;
        }
    }
}

static void read_headers(struct object *object, const struct dl_phdr_info *info)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    object->base = info->dlpi_addr;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + header->p_vaddr;
        if (header->p_type == PT_DYNAMIC)
            read_dynamic(object, (const void *)start);
        if (header->p_type != PT_GNU_RELRO) continue;
        object->relro = start & ~(page - 1);
        object->relro_end = (start + header->p_memsz) & ~(page - 1);
    }
}

static void store(const struct object *object, uintptr_t place, void *value)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *start = (void *)(place & ~(uintptr_t)(page - 1));
    bool read_only = place >= object->relro && place < object->relro_end;
    if (read_only &&
        asyncio__sys_mprotect(start, page, PROT_READ | PROT_WRITE) < 0)
        return;
    atomic_store((_Atomic(void *) *)place, value);
    if (read_only) asyncio__sys_mprotect(start, page, PROT_READ);
}

// What the entry for a symbol of this name should be instead of `now`, or NULL.
static void *wanted(const struct work *work, const char *name, const void *now)
{
    for (size_t i = 0; i < work->count; i++) {
        const struct asyncio__redirection *one = &work->redirections[i];
        if (!one->real || strcmp(one->name, name) != 0) continue;
        if (work->back) return now == one->to ? one->real : NULL;
        return now == one->to ? NULL : one->to;
    }
    return NULL;
}

static void rewrite(const struct object *object, const struct work *work,
                    const ElfW(Rela) * entries, size_t size)
{
    for (size_t i = 0; i < size / sizeof *entries; i++) {
        uint32_t type = (uint32_t)ELF64_R_TYPE(entries[i].r_info);
        if (type != SLOT_OF_CALL && type != SLOT_OF_ADDRESS) continue;
        const ElfW(Sym) *symbol =
            &object->symbols[ELF64_R_SYM(entries[i].r_info)];
        uintptr_t place = object->base + entries[i].r_offset;
        void *value =
            wanted(work, object->strings + symbol->st_name, *(void **)place);
        if (value) store(object, place, value);
    }
}

static int rewrite_object(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct object object = {0};
    (void)size;
    read_headers(&object, info);
    if (!object.symbols || !object.strings) return 0;
    if (object.calls) rewrite(&object, arg, object.calls, object.calls_size);
    if (object.others) rewrite(&object, arg, object.others, object.others_size);
    return 0;
}

// A program that is linked at a fixed address may answer with an entry of its
// own that jumps through the very GOT.
static void *real_function(const char *name)
{
    void *found = dlsym(RTLD_DEFAULT, name);
    Dl_info info;
    ElfW(Sym) *symbol = NULL;
    if (found && dladdr1(found, &info, (void **)&symbol, RTLD_DL_SYMENT) != 0 &&
        symbol && symbol->st_shndx == SHN_UNDEF)
        found = dlsym(RTLD_NEXT, name);
    return found;
}

void asyncio__redirect(struct asyncio__redirection *redirections, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!redirections[i].real)
            redirections[i].real = real_function(redirections[i].name);
    struct work work = {redirections, count, .back = false};
    dl_iterate_phdr(rewrite_object, &work);
}

void asyncio__redirect_back(const struct asyncio__redirection *redirections,
                            size_t count)
{
    struct work work = {redirections, count, .back = true};
    dl_iterate_phdr(rewrite_object, &work);
}
