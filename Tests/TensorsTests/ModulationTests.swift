import Tensors
import Testing

/// Norms and gates with modulations for each jet.
@Suite struct ModulationTests {
    private static let counts = [3, 0, 1, 5]

    /// The reference, row by row, with the modulations of each row's jet.
    private func modulated(
        _ x: [Double], _ modulations: [Double], channels: Int, blocks: Int,
        _ body: (_ row: [Double], _ token: Int, _ block: (Int) -> [Double]) -> [Double]
    ) -> [Double] {
        let jets = Self.counts.enumerated().flatMap { [Int](repeating: $0, count: $1) }
        return jets.enumerated().flatMap { token, jet in
            body(Array(x[token * channels..<(token + 1) * channels]), token) { block in
                let first = (jet * blocks + block) * channels
                return Array(modulations[first..<first + channels])
            }
        }
    }

    /// Shift and scale from the middle of the modulations, used twice.
    @Test(arguments: awkwardWidths) func modulatedNorm(channels: Int) {
        let offsets = Offsets(counts: Self.counts)
        func norm(_ tape: Tape, _ inputs: [Variable]) -> Variable {
            tape.modulatedNorm(inputs[0], modulations: inputs[1], shift: 1, offsets: offsets, epsilon: 1e-2)
        }
        OperationCheck(
            inputs: [randomTensor([9, channels], seed: 1), randomTensor([4, 4 * channels], seed: 2)],
            operation: { $0.add(norm($0, $1), norm($0, $1)) },
            reference: {
                modulated($0[0], $0[1], channels: channels, blocks: 4) { row, _, block in
                    let scale = block(2).map { 1 + $0 }
                    return Reference.layerNorm(row, scale, block(1), epsilon: 1e-2).map { 2 * $0 }
                }
            }, tolerance: channels == 1 ? 1e-3 : 1e-5
        ).run()
    }

    @Test(arguments: awkwardWidths) func gatedResidual(channels: Int) {
        let offsets = Offsets(counts: Self.counts)
        func join(_ tape: Tape, _ inputs: [Variable]) -> Variable {
            tape.gatedResidual(inputs[0], inputs[1], modulations: inputs[2], gate: 2, offsets: offsets)
        }
        OperationCheck(
            inputs: [
                randomTensor([9, channels], seed: 1), randomTensor([9, channels], seed: 2),
                randomTensor([4, 3 * channels], seed: 3),
            ],
            operation: { $0.add(join($0, $1), join($0, $1)) },
            reference: { inputs in
                modulated(inputs[0], inputs[2], channels: channels, blocks: 3) { row, token, block in
                    let branch = inputs[1][token * channels..<(token + 1) * channels]
                    return zip(zip(row, branch), block(2)).map { 2 * ($0.0 + $0.1 * $1) }
                }
            }
        ).run()
    }
}
