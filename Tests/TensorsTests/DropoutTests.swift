import Tensors
import Testing

@Suite struct DropoutTests {
    private let counts = [5, 0, 1, 17]
    private let jets = [12, 13, 1 << 33, 7]

    private func keys(epoch: Int = 2, seed: UInt64 = 5) -> TokenKeys {
        TokenKeys(seed: seed, epoch: epoch, jets: jets, offsets: Offsets(counts: counts))
    }

    private func dropped(
        channels: Int, rate: Float = 0.3, place: Int = 3, keys: TokenKeys, _ value: Float = 1
    ) -> [Float] {
        let x = Variable(constant: Tensor(repeating: value, shape: [keys.count, channels]))
        return Tape(recording: false).dropout(x, rate: rate, place: place, keys: keys).value.array
    }

    /// The random bits of an element are those of its token's key.
    @Test(arguments: awkwardWidths + [127, 128, 129, 300, 4096]) func bitsOfTheKeys(channels: Int) {
        let (rate, place) = (Float(0.3), 3)
        var expected: [Float] = []
        for (jet, count) in zip(jets, counts) {
            for constituent in 0..<count {
                let key = RandomKey(seed: 5, stream: .dropout, epoch: 2, jet: jet, constituent: constituent)
                for channel in 0..<channels {
                    let (group, piece, lane) = (channel / 128, channel % 128 / 16, channel % 16)
                    let word = key.block(512 * place + 16 * group + lane)[piece / 2]
                    let bits = (word >> (16 * UInt32(piece % 2))) & 0xFFFF
                    expected.append(bits < 19661 ? 0 : 65536 / (65536 - 19661))
                }
            }
        }
        #expect(dropped(channels: channels, rate: rate, place: place, keys: keys()) == expected)
    }

    /// A part of the jets of a batch has the same mask as in the whole batch.
    @Test func partsOfABatch() {
        let whole = dropped(channels: 20, keys: keys())
        let part = TokenKeys(
            seed: 5, epoch: 2, jets: Array(jets[2...]), offsets: Offsets(counts: counts[2...]))
        #expect(dropped(channels: 20, keys: part) == Array(whole[100...]))
    }

    @Test func everyArgumentMatters() {
        let plain = dropped(channels: 64, keys: keys())
        #expect(dropped(channels: 64, keys: keys()) == plain)
        #expect(dropped(channels: 64, place: 4, keys: keys()) != plain)
        #expect(dropped(channels: 64, keys: keys(epoch: 3)) != plain)
        #expect(dropped(channels: 64, keys: keys(seed: 6)) != plain)
    }

    /// A rate that sixteen bits round to 1 would leave nothing.
    @Test func ratesNearOne() async {
        #expect(Set(dropped(channels: 4096, rate: 0.99998, keys: keys())).isSubset(of: [0, 65536]))
        await #expect(processExitsWith: .failure) {
            let keys = TokenKeys(seed: 5, epoch: 0, jets: [0], offsets: Offsets(counts: [1]))
            let x = Variable(constant: Tensor(repeating: 1, shape: [1, 1]))
            _ = Tape(recording: false).dropout(x, rate: 0.999995, place: 0, keys: keys)
        }
    }

    /// 23 tokens of 4096 channels: the fraction of zeros equals the rate within 4 σ, and the mean is unchanged.
    @Test(arguments: [0, 0.1, 0.5, 0.9]) func theRate(rate: Float) {
        let y = dropped(channels: 4096, rate: rate, keys: keys())
        let zeros = Float(y.count { $0 == 0 }) / Float(y.count)
        #expect(abs(zeros - rate) <= 4 * (rate * (1 - rate) / Float(y.count)).squareRoot())
        let mean = y.reduce(0) { $0 + Double($1) } / Double(y.count)
        #expect(abs(mean - Double((1 - zeros) / (1 - rate))) < 1e-4)
    }

    /// The gradient has the same mask as the value, and accumulates.
    @Test func theGradient() throws {
        let x = Variable(leaf: randomTensor([23, 33], seed: 1))
        let tape = Tape()
        let y = tape.dropout(x, rate: 0.3, place: 3, keys: keys())
        let mask = dropped(channels: 33, keys: keys())
        #expect(y.value.array == zip(x.value.array, mask).map { $0 * $1 })
        let seed = randomTensor([23, 33], seed: 2)
        x.add(gradient: Tensor(repeating: 1, shape: x.shape))
        tape.backward(from: y, seed: seed.copy())
        let gradient = try #require(x.gradient)
        expectClose(
            gradient.doubles, zip(seed.array, mask).map { 1 + Double($0 * $1) }, 1e-6, "the gradient")
    }

    @Test func noTokens() {
        let none = TokenKeys(seed: 1, epoch: 0, jets: [3], offsets: Offsets(counts: [0]))
        #expect(none.count == 0)
        #expect(dropped(channels: 5, keys: none) == [])
    }
}
