#include "spec.h"

#include "ports.h"

SPEC("chance: the same seed gives the same numbers, another seed gives others")
{
	struct chance one, same, other;
	chance_seed(&one, 42);
	chance_seed(&same, 42);
	chance_seed(&other, 43);
	for (int i = 0; i < 100; i++) {
		uint64_t number = chance_next(&one);
		EXPECT(number == chance_next(&same));
		EXPECT(number != chance_next(&other));
	}
}

SPEC("chance: the numbers are those of xoroshiro128+, so recordings stay valid")
{
	struct chance chance = {.state = {1, 2}};
	EXPECT(chance_next(&chance) == 3);
	EXPECT(chance_next(&chance) == UINT64_C(412333834243));
	EXPECT(chance_next(&chance) == UINT64_C(2360170716294286339));
}

SPEC("chance: units are spread over [0, 1)")
{
	struct chance chance;
	chance_seed(&chance, 7);
	int below[10] = {0};
	for (int i = 0; i < 10000; i++) {
		double unit = chance_unit(&chance);
		EXPECT(unit >= 0 && unit < 1);
		below[(int)(unit * 10)]++;
	}
	for (int i = 0; i < 10; i++)
		EXPECT(below[i] > 900 && below[i] < 1100);
}

SPEC("chance: two seeds from the system differ")
{
	struct chance one, other;
	chance_seed_from_os(&one);
	chance_seed_from_os(&other);
	EXPECT(chance_next(&one) != chance_next(&other));
}
