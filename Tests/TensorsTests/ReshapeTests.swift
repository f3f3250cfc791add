import Tensors
import Testing

@Suite struct ReshapeTests {
    /// Values are not copied, and the gradients of two uses are summed.
    @Test func valuesAndGradients() {
        OperationCheck(
            inputs: [randomTensor([4, 6], seed: 1)],
            operation: { $0.add($0.reshape($1[0], to: [12, 2]), $0.reshape($1[0], to: [12, 2])) },
            reference: { $0[0].map { 2 * $0 } }
        ).run()
        let x = Variable(leaf: randomTensor([4, 6], seed: 1))
        let y = Tape().reshape(x, to: [8, 3])
        #expect(y.shape == [8, 3] && y.value.pointer == x.value.pointer)
    }
}
