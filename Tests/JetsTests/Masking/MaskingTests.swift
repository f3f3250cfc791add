import Configuration
import Jets
import Tensors
import TestSupport
import Testing

@Suite struct MaskingTests {
    /// Jets with the given numbers of constituents, whose momenta depend only on the index of the jet.
    private static func batch(_ jets: [Int], counts: [Int], epoch: Int = 1) -> JetBatch {
        let offsets = Offsets(counts: counts)
        var momenta: [SIMD3<Float>] = []
        for (jet, count) in zip(jets, counts) {
            var random = RandomSequence(RandomKey(seed: 3, stream: .sampling, jet: jet))
            for _ in 0..<count {
                momenta.append(SIMD3(1 / (random.uniform() + 0.01), random.normal() / 4, random.normal() / 4))
            }
        }
        return JetBatch(
            jets: jets, epoch: epoch, offsets: offsets, values: Tensor(shape: [offsets.tokens, 7]),
            identities: [Int32](repeating: 0, count: offsets.tokens),
            labels: [Int32](repeating: 0, count: jets.count), momenta: momenta)
    }

    private static let sizes = Array(0..<130)
    private static let strategies: [MaskingStrategy] = [
        .random(fraction: 0.4), .momentum(fraction: 0.4), .uniform(0.2...1), .nearest(fraction: 0.4),
        .radius(0.2),
    ]

    /// The batch of all sizes, and the dropped tokens of every jet.
    private func dropped(_ masking: any Masking) -> (
        batch: JetBatch, jets: [(tokens: Range<Int>, dropped: [Int])]
    ) {
        let batch = Self.batch(Self.sizes, counts: Self.sizes)
        let flags = masking.dropped(in: batch, seed: 2, stream: .masking)
        return (batch, Self.sizes.map { (batch.offsets[$0], batch.offsets[$0].filter { flags[$0] }) })
    }

    @Test(arguments: strategies)
    func dependsOnNothingButItsKey(strategy: MaskingStrategy) throws {
        let masking = strategy.masking
        let batch = Self.batch([9, 5, 1 << 33, 7], counts: [3, 60, 0, 1])
        let all = masking.dropped(in: batch, seed: 2, stream: .masking)
        #expect(all.count == 64)
        let alone = Self.batch([5], counts: [60])
        let first = Array(all[3..<63])
        #expect(masking.dropped(in: alone, seed: 2, stream: .masking) == first)
        #expect(masking.dropped(in: batch.slice(jets: 1..<2), seed: 2, stream: .masking) == first)
        #expect(masking.dropped(in: alone, seed: 3, stream: .masking) != first)
        #expect(masking.dropped(in: alone, seed: 2, stream: .validationMasking) != first)
        let later = Self.batch([5], counts: [60], epoch: 2)
        #expect(masking.dropped(in: later, seed: 2, stream: .masking) != first)
    }

    @Test(arguments: [0, 0.3, 0.4, 0.7, 1])
    func randomDropsTheFloorOfTheFraction(fraction: Double) {
        for (tokens, dropped) in dropped(RandomMasking(fraction: fraction)).jets {
            #expect(dropped.count == Int((fraction * Double(tokens.count)).rounded(.down)))
        }
    }

    /// Every pair of five constituents is dropped equally often.
    @Test func allChoicesAreEquallyLikely() {
        let batch = Self.batch(Array(0..<5000), counts: [Int](repeating: 5, count: 5000), epoch: 0)
        let flags = RandomMasking(fraction: 0.4).dropped(in: batch, seed: 1)
        var counts: [[Bool]: Int] = [:]
        for jet in 0..<5000 { counts[Array(flags[5 * jet..<5 * jet + 5]), default: 0] += 1 }
        #expect(counts.count == 10)
        // χ² with 9 degrees of freedom exceeds 40 with a probability of 1e-5.
        #expect(counts.values.reduce(0.0) { $0 + (Double($1) - 500) * (Double($1) - 500) / 500 } < 40)
    }

    /// The dropped constituents carry at most the fraction of pT, and more with any other one.
    @Test(arguments: [0, 0.3, 0.6, 1])
    func momentumDropsAFractionOfThePT(fraction: Double) {
        let (batch, jets) = dropped(MomentumMasking(fraction: fraction))
        func sum(_ tokens: some Sequence<Int>) -> Double {
            tokens.reduce(0) { $0 + Double(batch.momenta![$1].x) }
        }
        for (tokens, dropped) in jets {
            let limit = fraction * sum(tokens) * (1 + 1e-12)
            #expect(sum(dropped) <= limit)
            if fraction == 1 { #expect(dropped.count == tokens.count) }
            for kept in Set(tokens).subtracting(dropped) { #expect(sum(dropped + [kept]) > limit) }
        }
    }

    /// Of constituents with the same pT, the floor of the fraction is dropped, all equally often.
    @Test func momentumDropsAtRandom() {
        let batch = JetBatch(
            jets: Array(0..<4000), epoch: 0, offsets: Offsets(counts: [Int](repeating: 5, count: 4000)),
            values: Tensor(shape: [20_000, 7]), identities: [Int32](repeating: 0, count: 20_000),
            labels: [Int32](repeating: 0, count: 4000), momenta: [SIMD3<Float>](repeating: [2, 0, 0], count: 20_000))
        let flags = MomentumMasking(fraction: 0.5).dropped(in: batch, seed: 2)
        var counts = [0, 0, 0, 0, 0]
        for jet in 0..<4000 {
            #expect(flags[5 * jet..<5 * jet + 5].count { $0 } == 2)
            for index in 0..<5 where flags[5 * jet + index] { counts[index] += 1 }
        }
        // The standard deviation is 31.
        #expect(counts.allSatisfy { abs($0 - 1600) < 150 }, "\(counts)")
    }

    @Test func uniformDropsFractionsOfAllSizes() {
        let count = 4000
        let batch = Self.batch(Array(0..<count), counts: [Int](repeating: 20, count: count))
        let flags = UniformMasking(range: 0.2...0.7).dropped(in: batch, seed: 2)
        var histogram = [Int](repeating: 0, count: 21)
        for jet in 0..<count { histogram[flags[20 * jet..<20 * jet + 20].count { $0 }] += 1 }
        // 20 f is nearest to 5, 6, …, 13 for a tenth of the range each, and to 4 and 14 for half as much.
        #expect(histogram[..<4].allSatisfy { $0 == 0 } && histogram[15...].allSatisfy { $0 == 0 })
        #expect(histogram[5...13].allSatisfy { abs($0 - 400) < 100 })
        #expect(abs(histogram[4] - 200) < 70 && abs(histogram[14] - 200) < 70)
    }

    /// The dropped constituents are the nearest ones to one of them.
    @Test(arguments: [0, 0.4, 1])
    func nearestDropsANeighbourhood(fraction: Double) {
        let (batch, jets) = dropped(NearestMasking(fraction: fraction))
        let momenta = batch.momenta!
        for (tokens, dropped) in jets {
            #expect(dropped.count == Int((fraction * Double(tokens.count)).rounded(.down)))
            guard !dropped.isEmpty else { continue }
            #expect(
                dropped.contains { centre in
                    func distance(_ token: Int) -> Float {
                        let d = momenta[token] - momenta[centre]
                        return d.y * d.y + d.z * d.z
                    }
                    let nearest = tokens.sorted { distance($0) < distance($1) }.prefix(dropped.count)
                    return Set(nearest) == Set(dropped)
                })
        }
    }

    @Test(arguments: [0.05, 0.3, 100])
    func radiusDropsADisc(radius: Double) {
        let (batch, jets) = dropped(RadiusMasking(radius: radius))
        let momenta = batch.momenta!
        for (tokens, dropped) in jets {
            #expect(dropped.isEmpty == tokens.isEmpty)
            if radius == 100 { #expect(dropped.count == tokens.count) }
            guard !tokens.isEmpty else { continue }
            #expect(
                dropped.contains { centre in
                    dropped
                        == tokens.filter {
                            let d = momenta[$0] - momenta[centre]
                            return d.y * d.y + d.z * d.z <= Float(radius * radius)
                        }
                })
        }
    }

    /// Azimuths of events are those of a circle: 3.1 and −3.1 are near.
    @Test func azimuthsAreThoseOfACircle() {
        let momenta: [SIMD3<Float>] = [SIMD3(3, 0, 3.1), SIMD3(2, 0, -3.1), SIMD3(1, 0, 0)]
        let batch = JetBatch(
            jets: Array(0..<40), epoch: 0, offsets: Offsets(counts: [Int](repeating: 3, count: 40)),
            values: Tensor(shape: [120, 7]), identities: [Int32](repeating: 0, count: 120),
            labels: [Int32](repeating: 0, count: 40), momenta: (0..<40).flatMap { _ in momenta })
        let disc = RadiusMasking(radius: 0.2).dropped(in: batch, seed: 1)
        let nearest = NearestMasking(fraction: 0.7).dropped(in: batch, seed: 1)
        for jet in 0..<40 {
            #expect(disc[3 * jet] == disc[3 * jet + 1] && disc[3 * jet] != disc[3 * jet + 2])
            // The neighbour of the first two is the other of them.
            #expect(nearest[3 * jet + 2] || nearest[3 * jet] && nearest[3 * jet + 1])
        }
        #expect((0..<40).contains { disc[3 * $0] } && (0..<40).contains { nearest[3 * $0] && nearest[3 * $0 + 1] })
    }

    @Test func theLoaderGivesMomentaToThoseWhoAsk() throws {
        let dataset = try JetDataset(paths: [sample("val")], reading: .withEmptyJets, on: TestSupport.alone)
        func loader(_ carriesMomenta: Bool) -> JetLoader {
            JetLoader(
                dataset: dataset, preprocessing: RawPreprocessing(), order: .init(batchSize: 100, seed: 1),
                contents: .init(momenta: carriesMomenta))
        }
        let batch = try loader(true).batch(epoch: 0, step: 2)
        #expect(
            batch.momenta?.flatMap { [$0.x, $0.y, $0.z] }
                == batch.values.array.enumerated().filter { $0.offset % 7 < 3 }.map(\.element))
        #expect(batch.slice(jets: 10..<20).momenta?.count == batch.slice(jets: 10..<20).tokenCount)
        #expect(try loader(false).batch(epoch: 0, step: 2).momenta == nil)
    }

    @Test func readsTheConfiguration() throws {
        func strategy(_ yaml: String) throws -> MaskingStrategy {
            try MaskingStrategy(from: try Configuration(yaml: yaml, name: "x.yaml").section())
        }
        #expect(try strategy("{}") == .random(fraction: 0.4))
        #expect(try strategy("{strategy: pt_fraction, fraction: 0.3}") == .momentum(fraction: 0.3))
        #expect(try strategy("{strategy: uniform}") == .uniform(0.2...1))
        #expect(try strategy("{strategy: uniform, range: [0.1, 0.5]}") == .uniform(0.1...0.5))
        #expect(try strategy("{strategy: nearest}") == .nearest(fraction: 0.4))
        #expect(try strategy("{strategy: radius, radius: 0.3}") == .radius(0.3))
    }
}
