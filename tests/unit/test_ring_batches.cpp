// SPDX-License-Identifier: BSD-2-Clause
// The rings' batches for the data path: adding and taking them does what add() and take_used() do for chains of one
// descriptor, and nothing for anything else; add_again() gives what was kept.
#include <algorithm>
#include <map>
#include <random>
#include <vector>

#include "tests/support/packed_ring_test.hpp"
#include "tests/support/split_ring_test.hpp"

using test::fake_bus;
using virtio::RingFault;

namespace {

/// What both groups do with their ring.
template <class Fixture> class BatchTest : public Fixture {
 protected:
  struct Taken {
    std::size_t token;
    std::size_t length;
  };
  void setup() override {
    Fixture::setup();
    this->create(8);
    this->restart(8, false);
  }
  /// Adds and exposes `count` chains of 100, 101, ... bytes at 0, 0x100, ..., or fewer: as many as fit, or up to the
  /// one numbered `refused`. Returns how many.
  template <bool device_writes> std::size_t add_batch(std::size_t count, std::size_t refused = SIZE_MAX) {
    std::size_t number = 0;
    for (std::size_t added = 1; added != 0 && number != refused;) {
      auto batch = this->ring.begin_add(count - number);
      for (std::size_t i = 0; batch.room() && number != refused; i++, number++) {
        LONGS_EQUAL(this->ring.next_token() == batch.token(), i == 0); // the first is the one that was announced
        batch.template add<device_writes>(raw(this->data.bus(0x100 * number)), 100 + number);
      }
      added = this->ring.end_add(batch);
    }
    static_cast<void>(this->ring.publish());
    return number;
  }
  /// Takes up to `most` chains, those up to the one numbered `refused`.
  template <bool keep = false> std::vector<Taken> take_batch(std::size_t most, std::size_t refused = SIZE_MAX) {
    std::vector<Taken> taken;
    for (std::size_t count = 1; count != 0 && taken.size() != refused && taken.size() != most;) {
      const std::size_t before = taken.size();
      auto batch = this->ring.template begin_take<keep>(most - before);
      while (batch.next() && batch.wrong() == 0 && taken.size() != refused) {
        taken.push_back({batch.token(), batch.length()});
        batch.take();
      }
      count = this->ring.end_take(batch);
      LONGS_EQUAL(taken.size() - before, count);
    }
    return taken;
  }

  void adds_what_add_would() {
    for (unsigned lap = 0; lap < 20; lap++) {
      LONGS_EQUAL(3, add_batch<true>(3));
      LONGS_EQUAL(2, add_batch<false>(2));
      LONGS_EQUAL(3, this->ring.free());
      LONGS_EQUAL(5, this->ring.chains_in_flight());
      const auto chains = this->device.take_available();
      LONGS_EQUAL(5, chains.size());
      for (std::size_t i = 0; i < 5; i++) {
        LONGS_EQUAL(1, chains[i].pieces.size());
        const auto& piece = chains[i].pieces[0];
        CHECK(piece.writable == (i < 3));
        LONGS_EQUAL(100 + i % 3, piece.length);
        LONGS_EQUAL(raw(this->data.bus(0x100 * (i % 3))), piece.bus);
        this->device.complete(chains[i], i < 3 ? 7 : 0);
      }
      const auto used = this->take();
      LONGS_EQUAL(5, used.size());
      for (std::size_t i = 0; i < 5; i++)
        LONGS_EQUAL(i < 3 ? 100 + i : 0, used[i].writable);
    }
  }
  void stops_where_its_user_stops_or_the_ring_is_full() {
    LONGS_EQUAL(0, add_batch<true>(4, 0));
    LONGS_EQUAL(8, this->ring.free());
    LONGS_EQUAL(2, add_batch<true>(4, 2));
    LONGS_EQUAL(6, this->ring.free());
    LONGS_EQUAL(6, add_batch<true>(100));
    LONGS_EQUAL(0, add_batch<true>(100));
    LONGS_EQUAL(8, this->device.take_available().size());
  }
  void takes_what_is_accepted_and_leaves_the_rest() {
    for (unsigned lap = 0; lap < 20; lap++) {
      this->give(6);
      const auto chains = this->device.take_available();
      for (std::size_t i = 0; i < chains.size(); i++)
        this->device.complete(chains[i], static_cast<std::uint32_t>(10 + i));
      const auto first = take_batch(5, 2);
      LONGS_EQUAL(2, first.size());
      LONGS_EQUAL(4, this->ring.free());
      const auto next = take_batch(3);
      LONGS_EQUAL(3, next.size());
      const auto rest = this->take();
      LONGS_EQUAL(1, rest.size());
      LONGS_EQUAL(10, first[0].length);
      LONGS_EQUAL(11, first[1].length);
      for (std::size_t i = 0; i < 3; i++)
        LONGS_EQUAL(12 + i, next[i].length);
      LONGS_EQUAL(15, rest[0].length);
      LONGS_EQUAL(0, take_batch(5).size());
      LONGS_EQUAL(8, this->ring.free());
      LONGS_EQUAL(0, this->ring.chains_in_flight());
    }
  }
  void leaves_chains_of_several_descriptors_where_they_are() {
    for (unsigned lap = 0; lap < 20; lap++) {
      CHECK(this->add_one().has_value());
      CHECK(this->add_chain(1, 2).has_value());
      this->give(1);
      for (const auto& chain : this->device.take_available())
        this->device.complete(chain, 5);
      LONGS_EQUAL(1, take_batch(8).size());
      LONGS_EQUAL(0, take_batch(8).size());
      LONGS_EQUAL(1, this->take(1).size());
      LONGS_EQUAL(1, take_batch(8).size());
      LONGS_EQUAL(8, this->ring.free());
    }
  }
  /// With three chains in flight, `lie` is told by the device.
  template <class Lie> void leaves_to_take_used(RingFault fault, Lie lie) {
    this->give(3);
    const auto chains = this->device.take_available();
    lie(chains);
    LONGS_EQUAL(0, take_batch(8).size());
    CHECK_FALSE(this->ring.broken());
    LONGS_EQUAL(0, this->take().size());
    CHECK(this->ring.fault() == fault);
    LONGS_EQUAL(0, take_batch(8).size());
    LONGS_EQUAL(0, add_batch<true>(1));
    this->restart(8, false);
  }
  void leaves_lies_to_take_used() {
    // A token of the ring when it was longer, and its chain in flight, is as good as any other number.
    this->give(8);
    this->restart(4, false);
    leaves_to_take_used(RingFault::used_id_out_of_range, [&](const auto&) {
      this->device.place_used(6, 4);
      this->device.publish_used();
    });
    for (const std::uint16_t id : {8, 9, 0xffff})
      leaves_to_take_used(RingFault::used_id_out_of_range, [&](const auto&) {
        this->device.place_used(id, 4);
        this->device.publish_used();
      });
    leaves_to_take_used(RingFault::used_id_not_in_flight, [&](const auto& chains) {
      this->device.complete(chains[0], 4);
      LONGS_EQUAL(1, take_batch(8).size());
      this->device.place_used(chains[0].head, 4);
      this->device.publish_used();
    });
  }
  /// `words` are what three entries take.
  void reads_each_word_once(std::size_t words) {
    this->give(3);
    this->device.complete_batch(this->device.take_available(), 4);
    fake_bus().log.clear();
    fake_bus().log_enabled = fake_bus().log_shared = true;
    LONGS_EQUAL(3, take_batch(3).size());
    std::map<std::uintptr_t, int> loads;
    for (const test::Event& event : fake_bus().log)
      if (event.kind == test::Event::Kind::shared_load) loads[event.address]++;
    LONGS_EQUAL(words, loads.size());
    for (const auto& [address, count] : loads)
      LONGS_EQUAL(1, count);
  }
  /// Where each token's piece lies.
  struct Kept {
    std::size_t token;
    std::uint64_t address;
    std::uint64_t length;
  };
  void exposes_kept_chains_again_as_they_were() {
    LONGS_EQUAL(6, add_batch<true>(6));
    std::vector<Kept> kept;
    for (unsigned lap = 0; lap < 50; lap++) {
      const auto chains = this->device.take_available();
      LONGS_EQUAL(6, chains.size());
      for (std::size_t i = 0; i < 6; i++) {
        const auto& piece = chains[i].pieces.at(0);
        CHECK(piece.writable);
        if (lap == 0)
          kept.push_back({chains[i].head, piece.bus, piece.length});
        else
          CHECK(kept[i].token == chains[i].head && kept[i].address == piece.bus && kept[i].length == piece.length);
        this->device.complete(chains[i], 20);
      }
      LONGS_EQUAL(6, take_batch<true>(8).size());
      LONGS_EQUAL(2, this->ring.free()); // the kept ones are not
      LONGS_EQUAL(0, this->ring.chains_in_flight());
      LONGS_EQUAL(8, this->ring.state().free); // but no device has them
      LONGS_EQUAL(0, this->ring.state().in_flight);
      this->cycle(lap % 3); // others pass meanwhile
      std::rotate(kept.begin(), kept.begin() + lap % 5, kept.end());
      for (std::size_t next = 0; next != 6;) {
        auto batch = this->ring.begin_add_again(std::min<std::size_t>(4, 6 - next));
        CHECK(batch.room());
        for (; batch.room(); next++) {
          CHECK(batch.keeps(kept[next].token));
          batch.template add_again<true>(kept[next].token, kept[next].address, kept[next].length);
          CHECK_FALSE(batch.keeps(kept[next].token));
        }
        CHECK(this->ring.end_add_again(batch) != 0);
      }
      static_cast<void>(this->ring.publish());
      LONGS_EQUAL(6, this->ring.chains_in_flight());
      LONGS_EQUAL(6, this->ring.state().in_flight);
    }
  }
  void names_only_kept_chains_as_such() {
    LONGS_EQUAL(3, add_batch<true>(3));
    const auto chains = this->device.take_available();
    this->device.complete(chains[1], 20);
    LONGS_EQUAL(1, take_batch<true>(8).size());
    auto batch = this->ring.begin_add_again(8);
    for (const std::uint64_t token : {std::uint64_t{chains[0].head}, std::uint64_t{chains[2].head}, std::uint64_t{3},
                                      std::uint64_t{8}, std::uint64_t{0x10000} + chains[1].head, UINT64_MAX}) {
      CHECK_FALSE(batch.keeps(token));
      CHECK_FALSE(this->ring.is_kept(token));
    }
    CHECK(batch.keeps(chains[1].head));
    LONGS_EQUAL(0, this->ring.end_add_again(batch));
    LONGS_EQUAL(2, this->ring.chains_in_flight());
  }
  void rejects_a_kept_chain_that_is_given_back_again() {
    LONGS_EQUAL(2, add_batch<true>(2));
    const auto chains = this->device.take_available();
    this->device.complete(chains[0], 20);
    LONGS_EQUAL(1, take_batch<true>(8).size());
    CHECK(this->ring.is_kept(chains[0].head));
    CHECK_FALSE(this->ring.in_flight(chains[0].head));
    this->device.place_used(chains[0].head, 20);
    this->device.publish_used();
    LONGS_EQUAL(0, take_batch<true>(8).size());
    LONGS_EQUAL(0, this->take().size());
    CHECK(this->ring.fault() == RingFault::used_id_not_in_flight);
    this->restart(8, false);
    LONGS_EQUAL(8, this->ring.free());
  }
  void keeps_its_books_when_mixed_with_the_other_verbs() {
    std::mt19937 random{20261121};
    std::map<std::size_t, std::uint32_t> lengths; // by token, what the device wrote
    std::size_t in_flight = 0;
    for (unsigned step = 0; step < 20'000; step++) {
      switch (random() % 4) {
      case 0:
        in_flight += add_batch<true>(random() % 5);
        break;
      case 1:
        in_flight += this->add_one().has_value();
        static_cast<void>(this->ring.publish());
        break;
      case 2:
        for (const auto& chain : this->device.take_available()) {
          lengths[chain.head] = random() % 60;
          this->device.complete(chain, lengths[chain.head]);
        }
        break;
      default:
        const auto check = [&](std::size_t token, std::size_t length) {
          CHECK(lengths.contains(token));
          LONGS_EQUAL(lengths[token], length);
          lengths.erase(token);
          in_flight--;
        };
        if (random() % 2 != 0) {
          for (const Taken& taken : take_batch(random() % 4, random() % 4))
            check(taken.token, taken.length);
        } else {
          for (const virtio::Used& used : this->take(random() % 3))
            check(used.token, used.length);
        }
      }
      LONGS_EQUAL(in_flight, this->ring.chains_in_flight());
      LONGS_EQUAL(8 - in_flight, this->ring.free());
    }
  }
};

} // namespace

// clang-format off
TEST_GROUP_BASE(SplitRingBatches, BatchTest<test::SplitRingTest>) {};
TEST_GROUP_BASE(PackedRingBatches, BatchTest<test::PackedRingTest>) {};
// clang-format on

TEST(SplitRingBatches, AddsWhatAddWould) {
  adds_what_add_would();
  for (unsigned added = 100; added < 65'500; added += 8) {
    LONGS_EQUAL(8, add_batch<true>(8));
    device.complete_batch(device.take_available(), 4);
    LONGS_EQUAL(8, take_batch(8).size());
  }
  adds_what_add_would(); // past index 65535
}
TEST(PackedRingBatches, AddsWhatAddWould) {
  adds_what_add_would();
}

TEST(SplitRingBatches, StopsWhereItsUserStopsOrTheRingIsFull) {
  stops_where_its_user_stops_or_the_ring_is_full();
}
TEST(PackedRingBatches, StopsWhereItsUserStopsOrTheRingIsFull) {
  stops_where_its_user_stops_or_the_ring_is_full();
}

TEST(SplitRingBatches, TakesWhatIsAcceptedAndLeavesTheRest) {
  takes_what_is_accepted_and_leaves_the_rest();
}
TEST(PackedRingBatches, TakesWhatIsAcceptedAndLeavesTheRest) {
  takes_what_is_accepted_and_leaves_the_rest();
}

TEST(SplitRingBatches, LeavesChainsOfSeveralDescriptorsWhereTheyAre) {
  leaves_chains_of_several_descriptors_where_they_are();
}
TEST(PackedRingBatches, LeavesChainsOfSeveralDescriptorsWhereTheyAre) {
  leaves_chains_of_several_descriptors_where_they_are();
}

// proves: ROB-01, ROB-02
TEST(SplitRingBatches, LeavesLiesToTakeUsed) {
  leaves_lies_to_take_used();
  leaves_to_take_used(RingFault::used_id_out_of_range, [&](const auto&) {
    device.place_used(0x1'0000, 4); // all 32 bits count
    device.publish_used();
  });
  leaves_to_take_used(RingFault::used_index_jump, [&](const auto& chains) {
    for (std::size_t i = 0; i < 4; i++)
      device.place_used(chains[0].head, 4);
    device.publish_used();
  });
}
// proves: ROB-01, ROB-02
TEST(PackedRingBatches, LeavesLiesToTakeUsed) {
  leaves_lies_to_take_used();
  const auto chains = [&] {
    give(1);
    return device.take_available();
  }();
  device.complete(chains[0], 4);
  LONGS_EQUAL(1, take_batch(8).size());
  device.place_used(chains[0].head, 4); // with nothing in flight
  device.publish_used();
  LONGS_EQUAL(0, take_batch(8).size());
  CHECK_FALSE(ring.broken());
  LONGS_EQUAL(0, take().size());
  CHECK(ring.fault() == RingFault::used_without_buffer);
}

// proves: ROB-09
TEST(SplitRingBatches, ReadsEachWordOfAnAcceptedEntryOnce) {
  reads_each_word_once(1 + 3 * 2); // the index; id and length of each
}
// proves: ROB-09
TEST(PackedRingBatches, ReadsEachWordOfAnAcceptedEntryOnce) {
  reads_each_word_once(3); // flags, id and length of each are one
}

TEST(SplitRingBatches, KeepsItsBooksWhenMixedWithTheOtherVerbs) {
  keeps_its_books_when_mixed_with_the_other_verbs();
}
TEST(PackedRingBatches, KeepsItsBooksWhenMixedWithTheOtherVerbs) {
  keeps_its_books_when_mixed_with_the_other_verbs();
}

TEST(SplitRingBatches, ExposesKeptChainsAgainAsTheyWere) {
  exposes_kept_chains_again_as_they_were();
}
TEST(PackedRingBatches, ExposesKeptChainsAgainAsTheyWere) {
  exposes_kept_chains_again_as_they_were();
}

TEST(SplitRingBatches, NamesOnlyKeptChainsAsSuch) {
  names_only_kept_chains_as_such();
}
TEST(PackedRingBatches, NamesOnlyKeptChainsAsSuch) {
  names_only_kept_chains_as_such();
}

// proves: ROB-02
TEST(SplitRingBatches, RejectsAKeptChainThatIsGivenBackAgain) {
  rejects_a_kept_chain_that_is_given_back_again();
}
// proves: ROB-02
TEST(PackedRingBatches, RejectsAKeptChainThatIsGivenBackAgain) {
  rejects_a_kept_chain_that_is_given_back_again();
}

TEST(SplitRingBatches, TakesNothingWithInOrder) {
  settings.in_order = true;
  restart(8, false);
  LONGS_EQUAL(3, add_batch<true>(3));
  device.complete_batch(device.take_available(), 4);
  LONGS_EQUAL(0, take_batch(8).size());
  LONGS_EQUAL(3, take().size());
}
TEST(PackedRingBatches, TakesNothingWithInOrder) {
  virtio::RingSettings settings{1, 8};
  settings.in_order = true;
  restart(settings);
  LONGS_EQUAL(3, add_batch<true>(3));
  device.complete_batch(device.take_available(), 4);
  LONGS_EQUAL(0, take_batch(8).size());
  LONGS_EQUAL(3, take().size());
}
