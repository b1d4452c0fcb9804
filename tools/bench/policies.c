/*
 * policies.c - what hostile policies take of the engine's time, in milliseconds of the processor:
 * compiling, running, stopping, cleaning up. Exit status 1 when one takes longer than the design
 * allows.
 */
#include <stdio.h>

#include "../../spec/engine/hostile.h"
#include "base/error.h"

enum { ROUNDS = 3 };

int main(void)
{
	double worst = 0;
	for (size_t i = 0; i < hostile_count; i++) {
		char told[ERROR_TEXT_MAX];
		double most = 0;
		for (int round = 0; round < ROUNDS; round++) {
			double took = hostile_run(hostiles[i].text, told, sizeof(told));
			most = took > most ? took : most;
		}
		printf("%7.2f ms  %-46s %.70s\n", most, hostiles[i].kind, told);
		worst = most > worst ? most : worst;
	}
	printf("%7.2f ms  the longest; %d ms are allowed\n", worst, HOSTILE_PAUSE_MS);
	return worst > HOSTILE_PAUSE_MS;
}
