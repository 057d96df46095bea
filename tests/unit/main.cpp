// SPDX-License-Identifier: BSD-2-Clause
#include <CppUTest/CommandLineTestRunner.h>

int main(int argc, char** argv) {
  return CommandLineTestRunner::RunAllTests(argc, argv);
}
