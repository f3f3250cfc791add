import Tensors
import Testing

@Suite struct VectorQuantisationTests {
    private let codes: [Int32] = [2, 0, 2, 2, 4, 0]

    @Test(arguments: awkwardWidths) func affineCodes(channels: Int) {
        OperationCheck(
            inputs: [
                randomTensor([5, channels], seed: 1), randomTensor([channels], seed: 2),
                randomTensor([channels], seed: 3),
            ],
            operation: { $0.affineCodes($1[0], scale: $1[1], bias: $1[2], rate: 1.5) },
            reference: { inputs in
                inputs[0].indices.map {
                    (1 + 1.5 * inputs[1][$0 % channels]) * inputs[0][$0] + 1.5 * inputs[2][$0 % channels]
                }
            }
        ).run()
    }

    /// Latents are replaced by their codes; the gradient goes to the latents, and ν times it to the codes.
    @Test(arguments: [Float(0), 2]) func straightThrough(synchronisation: Float) throws {
        let latents = Variable(leaf: randomTensor([6, 17], seed: 1))
        let book = Variable(leaf: randomTensor([5, 17], seed: 2))
        let tape = Tape()
        let y = tape.straightThrough(
            latents, codebook: book, codes: codes, synchronisation: synchronisation)
        #expect(y.value.array == codes.flatMap { book.value.rows(Int($0)..<Int($0) + 1).array })
        let seed = randomTensor([6, 17], seed: 3)
        tape.backward(from: y, seed: seed.copy())
        #expect(latents.gradient?.array == seed.array)
        guard synchronisation != 0 else {
            #expect(book.gradient == nil)
            return
        }
        let gradient = try #require(book.gradient)
        var expected = [Double](repeating: 0, count: 5 * 17)
        for (token, code) in codes.enumerated() {
            for c in 0..<17 { expected[Int(code) * 17 + c] += 2 * Double(seed.buffer[token * 17 + c]) }
        }
        expectClose(gradient.doubles, expected, 1e-6, "the gradient of the codes")
    }

    /// With β = ½ both sides receive half of the gradient of the distance.
    @Test(arguments: awkwardWidths) func commitment(channels: Int) throws {
        let inputs = [randomTensor([6, channels], seed: 1), randomTensor([5, channels], seed: 2)]
        func loss(_ tape: Tape, _ inputs: [Variable], scale: Float = 0) -> Double {
            tape.commitmentLoss(inputs[0], codebook: inputs[1], codes: codes, beta: 0.5, scale: scale)
        }
        let variables = inputs.map { Variable(leaf: $0.copy()) }
        let value = loss(Tape(), variables, scale: 2 * 0.375)
        var expected = 0.0
        for (token, code) in codes.enumerated() {
            for c in 0..<channels {
                let d = inputs[0].doubles[token * channels + c] - inputs[1].doubles[Int(code) * channels + c]
                expected += d * d / Double(channels)
            }
        }
        expectClose([value], [expected], 1e-6, "the loss")
        expectDirectionalDerivative(
            { 0.375 * loss(Tape(recording: false), $0.map { Variable(constant: $0) }) }, at: inputs,
            gradients: try variables.map { try #require($0.gradient) })
    }

    /// β divides the gradient between the two; a scale of zero gives none.
    @Test func sharesOfTheCommitment() throws {
        func gradients(beta: Float, scale: Float) -> [Tensor?] {
            let inputs = [randomTensor([6, 16], seed: 1), randomTensor([5, 16], seed: 2)]
            let variables = inputs.map { Variable(leaf: $0) }
            _ = Tape().commitmentLoss(
                variables[0], codebook: variables[1], codes: codes, beta: beta, scale: scale)
            return variables.map(\.gradient)
        }
        let half = gradients(beta: 0.5, scale: 1)
        for (share, (some, all)) in zip([0.2, 1.8], zip(gradients(beta: 0.9, scale: 1), half)) {
            let expected = try #require(all).doubles.map { share * $0 }
            expectClose(try #require(some).doubles, expected, 1e-6, "a share")
        }
        #expect(gradients(beta: 0.9, scale: 0).allSatisfy { $0 == nil })
    }
}
