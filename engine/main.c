/*
 * main.c - the program: finds the verb and runs it.
 */
#include <stdio.h>

int main(void)
{
	puts("sluice " SLUICE_VERSION);
	return 0;
}
