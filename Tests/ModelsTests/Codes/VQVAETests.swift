import Models
import NN
import Tensors
import Testing

@Suite struct VQVAETests {
    private func network() -> (network: VQVAE, store: ParameterStore) {
        let builder = ParameterBuilder()
        let network = VQVAE(
            VQVAE.Shape(
                features: 3, encoder: NormformerShape(width: 32, layers: 2, heads: 4, hidden: 24),
                decoder: NormformerShape(width: 16, layers: 1, heads: 2, hidden: 24),
                quantiser: .init(codes: 20, dimension: 6)),
            in: builder.root)
        let store = builder.build(seed: 1)
        store.randomize()
        // Codes close to the latent vectors, so that jets use several.
        let latents = network.latents(of: randomJets([20], features: 3, seed: 2))
        for code in 0..<20 { network.quantiser.setCode(code, to: latents.rows(code..<code + 1).buffer) }
        return (network, store)
    }

    private var jets: Constituents { randomJets([6, 0, 3, 1], features: 3) }

    /// Encoding and decoding in two calls equals the forward pass.
    @Test func codesAndDecoding() {
        let (network, _) = network()
        let output = network(jets, commitmentScale: 0, on: Tape(recording: false))
        #expect(output.reconstruction.shape == [10, 3] && output.latents.shape == [10, 6])
        #expect(output.latents.array == network.latents(of: jets).array)
        #expect(output.codes == network.codes(of: jets))
        #expect(Set(output.codes).count > 2)
        let vectors = network.vectors(of: output.codes)
        #expect(vectors.array == network.quantiser.codebook.picking(output.codes.map(Int.init)).array)
        let decoded = network.decode(output.codes, offsets: jets.offsets)
        #expect(decoded.distance(to: output.reconstruction.value) < 1e-5)
    }

    /// A latent vector depends on all constituents of its jet, and on no other jet.
    @Test func codesAreConditionalOnTheJet() {
        let (network, _) = network()
        let plain = network.latents(of: jets)
        let other = jets
        other.values.buffer[0] += 3
        let moved = network.latents(of: other)
        #expect(moved.rows(5..<6).distance(to: plain.rows(5..<6)) > 1e-3)
        #expect(moved.rows(6..<10).distance(to: plain.rows(6..<10)) < 1e-5)
    }

    @Test func everyParameterHasAGradient() {
        let (network, store) = network()
        let tape = Tape()
        let keys = TokenKeys(seed: 1, epoch: 0, jets: [4, 5, 6, 9], offsets: jets.offsets)
        let output = network(jets, commitmentScale: 0.1, keys: keys, on: tape)
        tape.backward(from: output.reconstruction, seed: randomTensor([10, 3], seed: 6))
        for parameter in store.parameters {
            #expect(parameter.variable.gradient.map { $0.sumOfSquares > 0 } == true, "\(parameter.name)")
        }
    }

    /// Encoder and decoder drop different elements.
    @Test func dropoutInBothHalves() {
        let (network, _) = network()
        let keys = TokenKeys(seed: 1, epoch: 0, jets: [4, 5, 6, 9], offsets: jets.offsets)
        let plain = network(jets, commitmentScale: 0, on: Tape(recording: false))
        let dropped = network(jets, commitmentScale: 0, keys: keys, on: Tape(recording: false))
        #expect(dropped.latents.distance(to: plain.latents) > 1e-2)
        #expect(dropped.reconstruction.value.distance(to: plain.reconstruction.value) > 1e-2)
    }

    /// A code that is set to a latent vector is returned by the affine map as that vector.
    @Test func aCodeMovesToALatentVector() {
        let (network, _) = network()
        let latents = network.latents(of: jets)
        network.quantiser.setCode(13, to: latents.rows(2..<3).buffer)
        #expect(network.quantiser.codebook.rows(13..<14).distance(to: latents.rows(2..<3)) < 1e-5)
        #expect(network.codes(of: jets)[2] == 13)
    }
}

@Suite struct CodeUsageTests {
    @Test func perplexity() {
        var usage = CodeUsage(codes: 4)
        #expect(usage.used == 0 && usage.perplexity == 0)
        usage.add([2, 2, 2])
        #expect(usage.used == 1 && usage.perplexity == 1)
        usage.add([0, 0, 0])
        #expect(usage.used == 2 && abs(usage.perplexity - 2) < 1e-12)
        #expect(usage == CodeUsage(counts: [3, 0, 3, 0]))
        #expect(abs(CodeUsage(counts: [3, 1]).perplexity - 1.7547653506033232) < 1e-12)
    }

    @Test func codesExpire() {
        var ages = CodeAges(codes: 3)
        ages.update(CodeUsage(counts: [1, 0, 0]))
        ages.update(CodeUsage(counts: [0, 0, 5]))
        #expect(ages.ages == [1, 2, 0])
        #expect(ages.takeExpired(after: 2, atMost: 3) == [1])
        #expect(ages == CodeAges(ages: [1, 0, 0]))
        #expect(ages.takeExpired(after: 2, atMost: 3) == [])
        // With fewer candidates than expired codes, the other codes expire at the next step.
        ages = CodeAges(ages: [2, 1, 3])
        #expect(ages.takeExpired(after: 2, atMost: 1) == [0])
        #expect(ages.takeExpired(after: 2, atMost: 3) == [2])
    }
}
