/*
 * The one function of GCC's libatomic that Node needs, since version 25. Bare installations of Debian, Ubuntu and Red Hat have
 * no libatomic.so.1. The release brings this one, for machines that lack their own (bin/conda-stage).
 *
 * Node asks for 8 bytes only. All other sizes work too. Contract: https://gcc.gnu.org/wiki/Atomic/GCCMM/LIbrary. It needs no
 * other library, so that it runs wherever Node does.
 */
typedef unsigned char byte;
typedef unsigned long size;

_Bool compare_exchange(size length, void *memory, void *expected, const void *desired, int success, int failure)
    __asm__("__atomic_compare_exchange");

#define LOCK_FREE(type) \
    return __atomic_compare_exchange_n( \
        (type *)memory, (type *)expected, *(const type *)desired, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)

/* One lock for all: nothing that we know of uses it. */
static byte is_locked;

static void copy(byte *to, const byte *from, size length) {
    for (size i = 0; i < length; i++) ((volatile byte *)to)[i] = from[i]; /* no call of memcpy */
}

static _Bool compare_exchange_locked(byte *memory, byte *expected, const byte *desired, size length) {
    size same = 0;
    while (__atomic_test_and_set(&is_locked, __ATOMIC_ACQUIRE)) continue;
    while (same < length && memory[same] == expected[same]) same++;
    if (same == length)
        copy(memory, desired, length);
    else
        copy(expected, memory, length);
    __atomic_clear(&is_locked, __ATOMIC_RELEASE);
    return same == length;
}

/* The strictest order serves for all. */
_Bool compare_exchange(size length, void *memory, void *expected, const void *desired, int success, int failure) {
    (void)success, (void)failure;
    if ((size)memory % length == 0) switch (length) {
        case 1: LOCK_FREE(byte);
        case 2: LOCK_FREE(unsigned short);
        case 4: LOCK_FREE(unsigned int);
        case 8: LOCK_FREE(unsigned long);
    }
    return compare_exchange_locked(memory, expected, desired, length);
}
