// Writes the tests' small model and its rows into a folder.
#include "e2e/small_world.h"

int main(int count, char** arguments) {
  if (count != 2) return 2;
  salf::testing::write_small_world(arguments[1]);
}
