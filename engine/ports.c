#include "ports.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

/* splitmix64: spreads a seed over the state, which must not be all zero. */
static uint64_t spread(uint64_t *seed)
{
	*seed += UINT64_C(0x9e3779b97f4a7c15);
	uint64_t mixed = *seed;
	mixed = (mixed ^ mixed >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94d049bb133111eb);
	return mixed ^ mixed >> 31;
}

void chance_seed(struct chance *chance, uint64_t seed)
{
	chance->state[0] = spread(&seed);
	chance->state[1] = spread(&seed);
}

void chance_seed_from_os(struct chance *chance)
{
	uint64_t seed;
	while (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed)) {
		if (errno != EINTR) {
			perror("getrandom");
			abort();
		}
	}
	chance_seed(chance, seed);
}

static uint64_t rotated(uint64_t word, int bits)
{
	return word << bits | word >> (64 - bits);
}

uint64_t chance_next(struct chance *chance)
{
	uint64_t first = chance->state[0], second = chance->state[1];
	uint64_t sum = first + second;
	second ^= first;
	chance->state[0] = rotated(first, 24) ^ second ^ second << 16;
	chance->state[1] = rotated(second, 37);
	return sum;
}

double chance_unit(struct chance *chance)
{
	return (double)(chance_next(chance) >> 11) * 0x1p-53;
}
