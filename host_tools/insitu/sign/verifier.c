// Ed25519 (RFC 8032, 5.1.7), verifying alone, in little RAM: no table of multiples, words of 32 bits, one formula for
// sums of points. Nothing here is secret, so nothing needs to take the same time.
//
// Strict: s below the group's order; the key's y below the prime, and no point of small order; of R the bytes are
// compared, so that only its canonical encoding is taken; the equation without cofactor.
#include <stdint.h>

#define APART __attribute__((noinline))  // frames of both stacks end where such a function does
#define SIGNED 175  // bytes of a message at most: with R and the key in front of it two blocks of SHA-512

// s, R, key, message: what is hashed lies in one piece.
uint8_t buffer[32 + 256];

// --- SHA-512 (FIPS 180-4) ---

typedef uint32_t number[8];

// x / z, y / z, and t = x y / z.
typedef struct {
    number x, y, z, t;
} point;

// RAM is scarce: where the constants of the rounds were, points are once the message is hashed. So an instance verifies
// once.
static union {
    uint64_t round[80];
    struct {
        point at, steps[3];  // the base point, minus the key, both
    };
} shared = {.round = {
    0x428a2f98d728ae22, 0x7137449123ef65cd, 0xb5c0fbcfec4d3b2f, 0xe9b5dba58189dbbc, 0x3956c25bf348b538,
    0x59f111f1b605d019, 0x923f82a4af194f9b, 0xab1c5ed5da6d8118, 0xd807aa98a3030242, 0x12835b0145706fbe,
    0x243185be4ee4b28c, 0x550c7dc3d5ffb4e2, 0x72be5d74f27b896f, 0x80deb1fe3b1696b1, 0x9bdc06a725c71235,
    0xc19bf174cf692694, 0xe49b69c19ef14ad2, 0xefbe4786384f25e3, 0x0fc19dc68b8cd5b5, 0x240ca1cc77ac9c65,
    0x2de92c6f592b0275, 0x4a7484aa6ea6e483, 0x5cb0a9dcbd41fbd4, 0x76f988da831153b5, 0x983e5152ee66dfab,
    0xa831c66d2db43210, 0xb00327c898fb213f, 0xbf597fc7beef0ee4, 0xc6e00bf33da88fc2, 0xd5a79147930aa725,
    0x06ca6351e003826f, 0x142929670a0e6e70, 0x27b70a8546d22ffc, 0x2e1b21385c26c926, 0x4d2c6dfc5ac42aed,
    0x53380d139d95b3df, 0x650a73548baf63de, 0x766a0abb3c77b2a8, 0x81c2c92e47edaee6, 0x92722c851482353b,
    0xa2bfe8a14cf10364, 0xa81a664bbc423001, 0xc24b8b70d0f89791, 0xc76c51a30654be30, 0xd192e819d6ef5218,
    0xd69906245565a910, 0xf40e35855771202a, 0x106aa07032bbd1b8, 0x19a4c116b8d2d0c8, 0x1e376c085141ab53,
    0x2748774cdf8eeb99, 0x34b0bcb5e19b48a8, 0x391c0cb3c5c95a63, 0x4ed8aa4ae3418acb, 0x5b9cca4f7763e373,
    0x682e6ff3d6b2b8a3, 0x748f82ee5defb2fc, 0x78a5636f43172f60, 0x84c87814a1f0ab72, 0x8cc702081a6439ec,
    0x90befffa23631e28, 0xa4506cebde82bde9, 0xbef9a3f7b2c67915, 0xc67178f2e372532b, 0xca273eceea26619c,
    0xd186b8c721c0c207, 0xeada7dd6cde0eb1e, 0xf57d4f7fee6ed178, 0x06f067aa72176fba, 0x0a637dc5a2c898a6,
    0x113f9804bef90dae, 0x1b710b35131c471b, 0x28db77f523047d84, 0x32caab7b40c72493, 0x3c9ebe0a15c9bebc,
    0x431d67c49c100d4c, 0x4cc5d4becb3e42b6, 0x597f299cfc657e2a, 0x5fcb6fab3ad6faec, 0x6c44198c4a475817,
}};
static const uint64_t START[8] = {
    0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
    0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
};

static uint64_t rotated(uint64_t x, int by) { return x >> by | x << (64 - by); }

static uint64_t big_endian(const uint8_t *at)
{
    uint64_t x = 0;
    for (int i = 0; i < 8; i++)
        x = x << 8 | at[i];
    return x;
}

APART static void block(uint64_t state[8], const uint8_t *data)
{
    uint64_t w[16], v[8];
    for (int i = 0; i < 8; i++)
        v[i] = state[i];
    for (int i = 0; i < 80; i++) {
        uint64_t next;
        if (i < 16) {
            next = big_endian(data + 8 * i);
        } else {
            uint64_t a = w[(i + 1) & 15], b = w[(i + 14) & 15];
            next = w[i & 15] + w[(i + 9) & 15] + (rotated(a, 1) ^ rotated(a, 8) ^ a >> 7)
                + (rotated(b, 19) ^ rotated(b, 61) ^ b >> 6);
        }
        w[i & 15] = next;
        uint64_t a = v[0], e = v[4];
        uint64_t one = v[7] + (rotated(e, 14) ^ rotated(e, 18) ^ rotated(e, 41)) + (v[6] ^ (e & (v[5] ^ v[6])))
            + shared.round[i] + next;
        uint64_t two = (rotated(a, 28) ^ rotated(a, 34) ^ rotated(a, 39)) + ((a & v[1]) | (v[2] & (a | v[1])));
        for (int j = 7; j > 0; j--)
            v[j] = v[j - 1];
        v[4] += one;
        v[0] = one + two;
    }
    for (int i = 0; i < 8; i++)
        state[i] += v[i];
}

// --- numbers of eight words, the lowest first; modulo 2^255 - 19 each below 2^256 ---

static const number ORDER = {0x5cf5d3ed, 0x5812631a, 0xa2f79cd6, 0x14def9de, 0, 0, 0, 0x10000000};
static const number D = {0x135978a3, 0x75eb4dca, 0x4141d8ab, 0x00700a4d, 0x7779e898, 0x8cc74079, 0x2b6ffe73, 0x52036cee};
static const number ROOT = {0x4a0ea0b0, 0xc4ee1b27, 0xad2fe478, 0x2f431806, 0x3dfbd7a7, 0x2b4d0099, 0x4fc1df0b, 0x2b832480};
static const number BASE_X = {0x8f25d51a, 0xc9562d60, 0x9525a7b2, 0x692cc760, 0xfdd6dc5c, 0xc0a4e231, 0xcd6e53fe, 0x216936d3};
static const number BASE_Y = {0x66666658, 0x66666666, 0x66666666, 0x66666666, 0x66666666, 0x66666666, 0x66666666, 0x66666666};
static const number ONE = {1};

static void copy(number r, const number a)
{
    for (int i = 0; i < 8; i++)
        r[i] = a[i];
}

static int is_zero(const number a)
{
    uint32_t any = 0;
    for (int i = 0; i < 8; i++)
        any |= a[i];
    return !any;
}

// r -= a where that is not negative; whether it was.
APART static int take(number r, const number a)
{
    number left;
    uint32_t borrow = 0;
    for (int i = 0; i < 8; i++) {
        uint64_t x = (uint64_t)r[i] - a[i] - borrow;
        left[i] = (uint32_t)x;
        borrow = x >> 63;
    }
    if (!borrow)
        copy(r, left);
    return !borrow;
}

// r + carry * 2^256, for 2^256 is 38.
static void folded(number r, uint64_t carry)
{
    while (carry) {
        carry *= 38;
        for (int i = 0; i < 8; i++) {
            carry += r[i];
            r[i] = (uint32_t)carry;
            carry >>= 32;
        }
    }
}

APART static void add(number r, const number a, const number b)
{
    uint64_t carry = 0;
    for (int i = 0; i < 8; i++) {
        carry += (uint64_t)a[i] + b[i];
        r[i] = (uint32_t)carry;
        carry >>= 32;
    }
    folded(r, carry);
}

APART static void subtract(number r, const number a, const number b)
{
    uint32_t borrow = 0;
    for (int i = 0; i < 8; i++) {
        uint64_t x = (uint64_t)a[i] - b[i] - borrow;
        r[i] = (uint32_t)x;
        borrow = x >> 63;
    }
    while (borrow) {
        borrow = 38;
        for (int i = 0; i < 8; i++) {
            uint64_t x = (uint64_t)r[i] - borrow;
            r[i] = (uint32_t)x;
            borrow = x >> 63;
        }
    }
}

APART static void multiply(number r, const number a, const number b)
{
    uint32_t t[16] = {0};
    for (int i = 0; i < 8; i++) {
        uint64_t carry = 0;
        for (int j = 0; j < 8; j++) {
            carry += (uint64_t)a[i] * b[j] + t[i + j];
            t[i + j] = (uint32_t)carry;
            carry >>= 32;
        }
        t[i + 8] = (uint32_t)carry;
    }
    uint64_t carry = 0;
    for (int i = 0; i < 8; i++) {
        carry += t[i] + (uint64_t)t[i + 8] * 38;
        r[i] = (uint32_t)carry;
        carry >>= 32;
    }
    folded(r, carry);
}

// Below the prime.
static void reduce(number r)
{
    static const number PRIME = {0xffffffed, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, 0x7fffffff};
    while (take(r, PRIME))
        ;
}

static int equal(const number a, const number b)
{
    number left;
    subtract(left, a, b);
    reduce(left);
    return is_zero(left);
}

// a to the number whose bits from top down are ones, but for those of zeros, the lowest.
APART static void power(number r, const number a, int top, uint32_t zeros)
{
    number found;
    copy(found, ONE);
    for (int i = top; i >= 0; i--) {
        multiply(found, found, found);
        if (i > 31 || !(zeros >> i & 1))
            multiply(found, found, a);
    }
    copy(r, found);
}

static void load(number r, const uint8_t *at)
{
    for (int i = 0; i < 8; i++, at += 4)
        r[i] = at[0] | at[1] << 8 | at[2] << 16 | (uint32_t)at[3] << 24;
}

// --- points ---

// RFC 8032, 5.1.4: right for any two points, equal ones, too.
APART static void sum(point *r, const point *p, const point *q)
{
    number a, b, c, d;
    subtract(a, p->y, p->x);
    subtract(b, q->y, q->x);
    multiply(a, a, b);
    add(b, p->y, p->x);
    add(c, q->y, q->x);
    multiply(b, b, c);
    multiply(c, p->t, q->t);
    multiply(c, c, D);
    add(c, c, c);
    multiply(d, p->z, q->z);
    add(d, d, d);
    subtract(r->t, b, a);
    add(r->y, b, a);
    subtract(r->x, d, c);
    add(r->z, d, c);
    copy(a, r->t);
    copy(b, r->x);
    multiply(r->t, a, r->y);
    multiply(r->x, a, b);
    multiply(r->y, r->z, r->y);
    multiply(r->z, b, r->z);
}

static void from_affine(point *p)
{
    copy(p->z, ONE);
    multiply(p->t, p->x, p->y);
}

// RFC 8032, 5.1.3.
APART static int decode(point *p, const uint8_t *at)
{
    number u, v, w;
    load(p->y, at);
    uint32_t sign = p->y[7] >> 31;
    p->y[7] &= 0x7fffffff;
    copy(u, p->y);
    reduce(u);
    if (u[0] != p->y[0])  // the prime has its lowest word alone
        return 0;
    multiply(u, p->y, p->y);
    multiply(v, u, D);
    subtract(u, u, ONE);
    add(v, v, ONE);
    multiply(w, v, v);
    multiply(w, w, v);
    multiply(p->x, w, u);  // u v^3
    multiply(w, w, v);
    multiply(w, w, p->x);  // u v^7
    power(w, w, 251, 1 << 1);  // (p - 5) / 8
    multiply(p->x, p->x, w);
    multiply(w, p->x, p->x);
    multiply(w, w, v);
    if (!equal(w, u)) {
        add(w, w, u);
        reduce(w);
        if (!is_zero(w))
            return 0;
        multiply(p->x, p->x, ROOT);
    }
    reduce(p->x);
    if (is_zero(p->x) && sign)
        return 0;
    if ((p->x[0] & 1) != sign) {
        number zero = {0};
        subtract(p->x, zero, p->x);
    }
    from_affine(p);
    return 1;
}

// --- the whole ---

// SHA-512 of length bytes behind s, modulo the order.
APART static void challenge(number r, int length)
{
    uint64_t state[8];
    uint8_t *end = buffer + 32 + length;
    int blocks = (length + 17 + 127) / 128;
    for (uint8_t *at = end; at < buffer + 32 + 128 * blocks; at++)
        *at = at == end ? 0x80 : 0;
    buffer[32 + 128 * blocks - 2] = (uint8_t)(length >> 5);
    buffer[32 + 128 * blocks - 1] = (uint8_t)(length << 3);
    for (int i = 0; i < 8; i++)
        state[i] = START[i];
    for (int i = 0; i < blocks; i++)
        block(state, buffer + 32 + 128 * i);
    for (int i = 0; i < 8; i++)
        r[i] = 0;
    for (int bit = 511; bit >= 0; bit--) {
        // its bytes are little-endian, words were big-endian
        int byte = bit >> 3;
        uint32_t carry = state[byte >> 3] >> (56 - 8 * (byte & 7) + (bit & 7)) & 1;
        for (int i = 0; i < 8; i++) {
            uint32_t high = r[i] >> 31;
            r[i] = r[i] << 1 | carry;
            carry = high;
        }
        take(r, ORDER);
    }
}

// Whether the signature is the key's, of a message of length bytes.
__attribute__((export_name("verify"))) int verify(int length)
{
    number s, h;
    point *at = &shared.at, *steps = shared.steps, *key = &steps[1];
    if (length < 0 || length > SIGNED)
        return 0;
    load(s, buffer);
    copy(h, s);
    if (take(h, ORDER))
        return 0;
    challenge(h, 64 + length);
    if (!decode(key, buffer + 64))
        return 0;
    copy(at->x, key->x);
    copy(at->y, key->y);
    from_affine(at);
    for (int i = 0; i < 3; i++)
        sum(at, at, at);
    reduce(at->x);
    if (is_zero(at->x))
        return 0;
    number zero = {0};
    subtract(key->x, zero, key->x);
    from_affine(key);
    copy(steps[0].x, BASE_X);
    copy(steps[0].y, BASE_Y);
    from_affine(&steps[0]);
    sum(&steps[2], &steps[0], &steps[1]);
    copy(at->x, zero);
    copy(at->y, ONE);
    from_affine(at);
    for (int i = 255; i >= 0; i--) {
        sum(at, at, at);
        int both = (s[i >> 5] >> (i & 31) & 1) | (h[i >> 5] >> (i & 31) & 1) << 1;
        if (both)
            sum(at, at, &steps[both - 1]);
    }
    power(h, at->z, 254, 1 << 2 | 1 << 4);  // 1 / z: to the p - 2
    multiply(at->x, at->x, h);
    multiply(at->y, at->y, h);
    reduce(at->x);
    reduce(at->y);
    at->y[7] |= at->x[0] << 31;
    load(s, buffer + 32);
    for (int i = 0; i < 8; i++)
        if (s[i] != at->y[i])
            return 0;
    return 1;
}

__attribute__((export_name("place"))) uint8_t *place(void) { return buffer; }
